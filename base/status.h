/*
 * status.h - what a fallible function returns, and what its caller should do about it.
 *
 * A status says what kind of thing happened, and with it what to do: BUSY is tried again, ABORTABLE
 * aborts the transaction, every failure below ends the process. The text of an error is written
 * where the fact is known, into memory the caller owns, and is logged once, by whoever acts on it.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum status {
    STATUS_OK,
    STATUS_END,       /* nothing more: end of input, end of log */
    STATUS_NOT_FOUND, /* a lookup by key or path found nothing */
    STATUS_BUSY,      /* not now: call again after polling */
    STATUS_ABORTABLE, /* the open transaction must be aborted; the session lives */
    STATUS_FENCED,    /* another member owns this session's identity */
    STATUS_INVALID,   /* configuration, argument or usage that a person must mend */
    STATUS_REFUSED,   /* data of another input, format, version or partition count */
    STATUS_CORRUPT,   /* bytes that fail their checksum or contradict themselves */
    STATUS_UNPROVEN,  /* a proof found violations, or what it could not verify */
    STATUS_IO,        /* the operating system or a broker failed us */
};

enum { ERROR_TEXT_MAX = 1024 };

/* Owned by the caller; there is nothing to free. `text` is valid only after a failure. */
struct error {
    enum status status;
    char text[ERROR_TEXT_MAX];
};

/*
 * Process exit code for a failure: 2 for STATUS_INVALID (usage or configuration), 3 for
 * STATUS_REFUSED and STATUS_CORRUPT (data that needs a decision), 4 for STATUS_UNPROVEN, 1 for
 * everything else.
 */
int status_exit_code(enum status status);

/*
 * Writes `status` and the formatted text into `error` (which may be NULL) and returns `status`. What
 * cannot be printed is escaped (escape_message), so that a text may quote bytes from anywhere.
 */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Puts formatted text in front of what `error` already says ("reading x.yaml: ..."). */
enum status error_prefix(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Returns from the enclosing function if `call` fails. For functions with nothing to release. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (call);                                                          \
        if (try_status_ != STATUS_OK) return try_status_;                                          \
    } while (0)

/* A broken precondition. Stays in release builds: prints where and what, then aborts. */
#define REQUIRE(condition) ((condition) ? (void)0 : require_failed(#condition, __FILE__, __LINE__))

__attribute__((noreturn)) void require_failed(const char *condition, const char *file, int line);

#ifdef __cplusplus
}
#endif

#endif
