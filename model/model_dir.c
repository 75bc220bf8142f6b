/* model_dir.c - names of generations, their order, and who may write. */
#include "model/model_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/number_text.h"

#define PREFIX "generation-"
#define SUFFIX ".safetensors"
#define NEXT   "next"

enum { DIGITS_MIN = 10, NEXT_SIZE = NUMBER_TEXT_MAX + 1 };

static enum status dir_failed(const char *what, const char *dir, struct error *error)
{
    return error_set(error, STATUS_IO, "%s %s: %s", what, dir, strerror(errno));
}

/* The number in a file's name; false if it is no generation's. */
static bool number_of_file(const char *name, uint64_t *number)
{
    const size_t size = strlen(name), around = strlen(PREFIX) + strlen(SUFFIX);
    if (size < around + DIGITS_MIN || strncmp(name, PREFIX, strlen(PREFIX)) != 0) return false;
    if (strcmp(name + size - strlen(SUFFIX), SUFFIX) != 0) return false;
    const struct bytes digits = {name + strlen(PREFIX), size - around};
    if (digits.size > DIGITS_MIN && name[strlen(PREFIX)] == '0') return false;
    return parse_unsigned(digits, UINT64_MAX, number) && *number > 0;
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static enum status read_names(struct model_dir_list *list, DIR *entries, const char *dir,
                              struct error *error)
{
    const struct dirent *entry;
    uint32_t room = 0;
    while ((errno = 0, entry = readdir(entries))) {
        uint64_t number;
        if (!number_of_file(entry->d_name, &number)) continue;
        if (list->count == MODEL_DIR_GENERATIONS_MAX) {
            return error_set(error, STATUS_INVALID, "%s: more than %d generations: remove old ones",
                             dir, MODEL_DIR_GENERATIONS_MAX);
        }
        if (list->count == room) {
            room = room ? 2 * room : 16;
            uint64_t *numbers = realloc(list->numbers, room * sizeof *numbers);
            if (!numbers) return error_set(error, STATUS_IO, "out of memory: names of %s", dir);
            list->numbers = numbers;
        }
        list->numbers[list->count++] = number;
    }
    if (errno) return dir_failed("reading", dir, error);
    if (list->count) qsort(list->numbers, list->count, sizeof *list->numbers, compare_numbers);
    return STATUS_OK;
}

enum status model_dir_list_open(struct model_dir_list *list, const char *dir, struct error *error)
{
    *list = (struct model_dir_list){0};
    DIR *entries = opendir(dir);
    if (!entries && errno == ENOENT) return STATUS_OK;
    if (!entries) return dir_failed("opening", dir, error);
    const enum status status = read_names(list, entries, dir, error);
    closedir(entries);
    if (status != STATUS_OK) model_dir_list_close(list);
    return status;
}

void model_dir_list_close(struct model_dir_list *list)
{
    free(list->numbers);
    *list = (struct model_dir_list){0};
}

enum status model_dir_path(const char *dir, uint64_t number, char path[MODEL_DIR_PATH_MAX],
                           struct error *error)
{
    const int size = snprintf(path, MODEL_DIR_PATH_MAX, "%s/" PREFIX "%0*" PRIu64 SUFFIX, dir,
                              DIGITS_MIN, number);
    if (size > 0 && size < MODEL_DIR_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: too long a path", dir);
}

bool model_dir_is_whole(const char *path, uint64_t number)
{
    struct checkpoint *checkpoint;
    struct error why;
    if (checkpoint_open(&checkpoint, path, &why) != STATUS_OK) {
        log_warn("generation passed over", log_text("path", path), log_text("why", why.text));
        return false;
    }
    const uint64_t found = checkpoint->generation;
    checkpoint_close(checkpoint);
    if (found == number) return true;
    log_warn("generation passed over", log_text("path", path),
             log_text("why", "another generation is in it"), log_int("found", (int64_t)found));
    return false;
}

enum status model_dir_newest(const char *dir, char path[MODEL_DIR_PATH_MAX], struct error *error)
{
    struct model_dir_list list;
    TRY(model_dir_list_open(&list, dir, error));
    enum status status = STATUS_NOT_FOUND;
    for (uint32_t i = list.count; i-- > 0 && status == STATUS_NOT_FOUND;) {
        if (model_dir_path(dir, list.numbers[i], path, error) != STATUS_OK) {
            status = STATUS_INVALID;
        } else if (model_dir_is_whole(path, list.numbers[i])) {
            status = STATUS_OK;
        }
    }
    model_dir_list_close(&list);
    if (status != STATUS_NOT_FOUND) return status;
    return error_set(error, STATUS_NOT_FOUND,
                     "%s: no generation in it: braid init --model.dir=%s makes the first", dir,
                     dir);
}

/* ---- writing ---- */

/* Opens the directory, which is made if need be, and waits for the turn to write. */
static enum status lock_dir(const char *dir, int *fdp, struct error *error)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) return dir_failed("making", dir, error);
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return dir_failed("opening", dir, error);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        close(fd);
        return dir_failed("locking", dir, error);
    }
    *fdp = fd;
    return STATUS_OK;
}

/* What `next` says; 0 if it is not there, or is no number, which is logged. */
static uint64_t read_next(int fd, const char *dir)
{
    char text[NEXT_SIZE + 1];
    uint64_t next = 0;
    const int file = openat(fd, NEXT, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    const ssize_t size = read(file, text, sizeof text);
    close(file);
    const size_t digits = size > 0 && text[size - 1] == '\n' ? (size_t)size - 1 : 0;
    if (parse_unsigned((struct bytes){text, digits}, UINT64_MAX, &next)) return next;
    log_warn("next number is unreadable, taken from the files", log_text("path", dir));
    return 0;
}

/* Replaces `next`, through to the disk. */
static enum status write_next(int fd, const char *dir, uint64_t next, struct error *error)
{
    char text[NEXT_SIZE + 1];
    const int size = snprintf(text, sizeof text, "%" PRIu64 "\n", next);
    const int file = openat(fd, NEXT ".tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) return dir_failed("writing " NEXT " of", dir, error);
    const bool written = write(file, text, (size_t)size) == size && fsync(file) == 0;
    const int why = errno;
    close(file);
    errno = why;
    if (written && renameat(fd, NEXT ".tmp", fd, NEXT) == 0 && fsync(fd) == 0) return STATUS_OK;
    return dir_failed("writing " NEXT " of", dir, error);
}

/* Greater than every number that this directory has had. */
static enum status next_number(int fd, const char *dir, uint64_t *numberp, struct error *error)
{
    struct model_dir_list list;
    TRY(model_dir_list_open(&list, dir, error));
    const uint64_t newest = list.count ? list.numbers[list.count - 1] : 0;
    const uint64_t next = read_next(fd, dir);
    model_dir_list_close(&list);
    *numberp = next > newest ? next : newest + 1;
    if (newest < UINT64_MAX) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: there is no greater number", dir);
}

static enum status write_locked(int fd, const char *dir, struct checkpoint *checkpoint,
                                struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    uint64_t number;
    TRY(next_number(fd, dir, &number, error));
    if (number < checkpoint->generation) number = checkpoint->generation;
    TRY(model_dir_path(dir, number, path, error));
    checkpoint->generation = number;
    TRY(checkpoint_write(checkpoint, path, error));
    return write_next(fd, dir, number + 1, error); /* until then the file stands for it */
}

enum status model_dir_write(const char *dir, struct checkpoint *checkpoint, struct error *error)
{
    int fd;
    TRY(lock_dir(dir, &fd, error));
    const enum status status = write_locked(fd, dir, checkpoint, error);
    close(fd);
    return status;
}

enum status model_dir_make(const char *dir, struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    snprintf(path, sizeof path, "%s", dir);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0777); /* what fails here fails below */
        *slash = '/';
    }
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return STATUS_OK;
    return dir_failed("making", dir, error);
}

static enum status pass_locked(int fd, const char *dir, uint64_t number, struct error *error)
{
    uint64_t next;
    TRY(next_number(fd, dir, &next, error));
    return next > number ? STATUS_OK : write_next(fd, dir, number + 1, error);
}

enum status model_dir_pass(const char *dir, uint64_t number, struct error *error)
{
    int fd;
    REQUIRE(number < UINT64_MAX);
    TRY(lock_dir(dir, &fd, error));
    const enum status status = pass_locked(fd, dir, number, error);
    close(fd);
    return status;
}

static enum status install_locked(int fd, const char *dir, const char *from, uint64_t number,
                                  struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    TRY(pass_locked(fd, dir, number, error));
    TRY(model_dir_path(dir, number, path, error));
    if (rename(from, path) == 0 && fsync(fd) == 0) return STATUS_OK;
    return dir_failed("writing", path, error);
}

enum status model_dir_install(const char *dir, const char *path, uint64_t number,
                              struct error *error)
{
    int fd;
    REQUIRE(number < UINT64_MAX);
    TRY(lock_dir(dir, &fd, error));
    const enum status status = install_locked(fd, dir, path, number, error);
    close(fd);
    return status;
}

static bool is_active(uint64_t number, const uint64_t *active, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (active[i] == number) return true;
    }
    return false;
}

static enum status prune_list(int fd, const char *dir, const struct model_dir_list *list,
                              uint32_t keep, const uint64_t *active, uint32_t active_count,
                              struct error *error)
{
    uint32_t kept = 0;
    for (uint32_t i = list->count; i-- > 0;) {
        char path[MODEL_DIR_PATH_MAX];
        if (kept++ < keep || is_active(list->numbers[i], active, active_count)) continue;
        TRY(model_dir_path(dir, list->numbers[i], path, error));
        if (unlink(path) != 0 && errno != ENOENT) return dir_failed("removing", path, error);
    }
    return fsync(fd) == 0 ? STATUS_OK : dir_failed("syncing", dir, error);
}

enum status model_dir_prune(const char *dir, uint32_t keep, const uint64_t *active,
                            uint32_t active_count, struct error *error)
{
    struct model_dir_list list;
    int fd;
    REQUIRE(keep >= 1);
    TRY(lock_dir(dir, &fd, error));
    enum status status = model_dir_list_open(&list, dir, error);
    if (status == STATUS_OK) {
        status = prune_list(fd, dir, &list, keep, active, active_count, error);
        model_dir_list_close(&list);
    }
    close(fd);
    return status;
}
