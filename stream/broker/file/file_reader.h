/*
 * file_reader.h - the one thread that reads and decodes the input of a file job.
 *
 * It fills polls of decoded events for each worker (a user's partition decides which) and puts a
 * marker into every worker's queue at the same position of the input whenever a commit is due. The
 * queues are bounded: a slow worker holds the reader back.
 *
 *     file_reader_open -> file_reader_take ... (FILE_EVENTS, FILE_COMMIT, at last FILE_END)
 *     -> file_reader_close
 *
 * Where a round of training is due (file_hold_after) a FILE_HOLD follows the commit, and another one
 * where the input ends. If training runs beside the stream there is only that.
 *
 * An input that pauses (a pipe) stops neither polls nor commits: a worker that waits in vain does
 * the reader's part. Threads: take is for the queue's worker, the rest for anyone.
 */
#ifndef STREAM_BROKER_FILE_FILE_READER_H
#define STREAM_BROKER_FILE_FILE_READER_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/source/event_reader.h"

struct file_reader;

/*
 * The first record after `record` before which a round of training is due: `events` after the one
 * before, or an eighth of all that lie before it. A function of the place alone, so that a job that
 * was restarted holds where it would have.
 */
int64_t file_hold_after(int64_t record, uint64_t events);

/* The same as broker.h has it; certain. */
uint32_t file_partition_of(struct bytes user, uint32_t partitions, bool *certainp);

enum file_poll_kind { FILE_NOTHING, FILE_EVENTS, FILE_COMMIT, FILE_HOLD, FILE_END };

struct file_poll {
    enum file_poll_kind kind;
    const struct event *events; /* FILE_EVENTS; valid until the next take */
    uint32_t events_count;
    struct source_position position; /* FILE_COMMIT: everything before it was delivered */
    bool last;                       /* FILE_HOLD: the input ends here */
};

/*
 * Starts reading source.path where `known` ends (event_reader.h), or if it is empty at source.start,
 * up to source.end. Partition p belongs to worker
 * p % workers. Keeps `config`.
 */
MUST_CHECK enum status file_reader_open(struct file_reader **readerp, const struct config *config,
                                        uint32_t workers, uint32_t partitions,
                                        const struct source_files *known, struct error *error);

/* Ends the thread. Legal on NULL. No take may be under way. */
void file_reader_close(struct file_reader *reader);

/*
 * What is next for `worker`; waits up to `timeout_ms` (then FILE_NOTHING). Gives back what the
 * worker took before. Fails when reading the input failed.
 */
MUST_CHECK enum status file_reader_take(struct file_reader *reader, uint32_t worker,
                                        uint32_t timeout_ms, struct file_poll *poll,
                                        struct error *error);

/* Asks for a commit marker as soon as possible. */
void file_reader_want_commit(struct file_reader *reader);

/* Asks for one when the interval is over, also if no event comes. */
void file_reader_gather(struct file_reader *reader);

/* Ends the input here: a commit, then the end. Async-signal-safe. */
void file_reader_stop(struct file_reader *reader);

/* Offset of the event at which a job that had committed nothing began (source.start); 0: another. */
int64_t file_reader_first(const struct file_reader *reader);

/* What it reads: for the files of a commit's position. */
struct event_reader *file_reader_source(const struct file_reader *reader);

/* Share of the input that was read, -1 if unknown. */
double file_reader_progress(struct file_reader *reader);

/* Bytes of heap that the queues take, for the memory plan. */
size_t file_reader_size(const struct config *config);

#endif
