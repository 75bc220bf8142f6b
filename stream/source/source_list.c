/* source_list.c - a path is looked at, then as a list; names are sorted. */
#include "stream/source/source_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SOURCE_PATH_MAX = 4096 };

void source_list_close(struct source_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->at[i].path);
    }
    free(list->at);
    *list = (struct source_list){0};
}

/* Adds a file whose name is the path's rest from `name` on. */
static enum status add_file(struct source_list *list, const char *path, size_t name,
                            const struct stat *facts, struct error *error)
{
    if (list->count == SOURCE_FILES_MAX) {
        return error_set(error, STATUS_INVALID, "source.path: more than %d files",
                         SOURCE_FILES_MAX);
    }
    if (strchr(path, '\n')) {
        return error_set(error, STATUS_INVALID, "source.path: a file's name has a line break");
    }
    if ((list->count & (list->count - 1)) == 0) { /* a power of two: it is full */
        size_t room = list->count ? 2 * (size_t)list->count : 1;
        struct source_entry *at = realloc(list->at, room * sizeof *at);
        if (!at) return error_set(error, STATUS_IO, "out of memory: names of files");
        list->at = at;
    }
    char *copy = strdup(path);
    if (!copy) return error_set(error, STATUS_IO, "out of memory: names of files");
    int64_t size = facts && S_ISREG(facts->st_mode) ? facts->st_size : -1;
    struct source_entry *entry = &list->at[list->count++];
    *entry = (struct source_entry){.path = copy, .name = copy + name, .size = size};
    if (facts) {
        entry->device = facts->st_dev;
        entry->inode = facts->st_ino;
        entry->modified_ns = facts->st_mtim.tv_sec * INT64_C(1000000000) + facts->st_mtim.tv_nsec;
    }
    return STATUS_OK;
}

static enum status add_directory(struct source_list *list, const char *path, struct error *error)
{
    DIR *directory = opendir(path);
    if (!directory) return error_set(error, STATUS_INVALID, "%s: %s", path, strerror(errno));
    enum status status = STATUS_OK;
    const struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(directory))) {
        char file[SOURCE_PATH_MAX];
        struct stat facts;
        const char *name = entry->d_name;
        if (*name == '.' || *name == '_') continue;
        int size = snprintf(file, sizeof file, "%s/%s", path, name);
        if (size < 0 || size >= (int)sizeof file) {
            status = error_set(error, STATUS_INVALID, "%s/%s: path too long", path, name);
        } else if (stat(file, &facts) != 0) {
            status = error_set(error, STATUS_INVALID, "%s: %s", file, strerror(errno));
        } else if (S_ISREG(facts.st_mode)) {
            status = add_file(list, file, strlen(path) + 1, &facts, error);
        }
    }
    closedir(directory);
    if (status == STATUS_OK && list->count == 0) {
        status = error_set(error, STATUS_INVALID,
                           "%s: a directory without files to read (names that begin with . or _ "
                           "do not count)",
                           path);
    }
    return status;
}

/* "a,b,c", of which each is a file. */
static enum status add_several(struct source_list *list, const char *paths, struct error *error)
{
    for (const char *at = paths; at;) {
        char file[SOURCE_PATH_MAX];
        struct stat facts;
        const char *comma = strchr(at, ',');
        size_t size = comma ? (size_t)(comma - at) : strlen(at);
        if (size == 0 || size >= sizeof file) {
            return error_set(error, STATUS_INVALID,
                             "source.path: '%s': an empty or too long path between commas", paths);
        }
        memcpy(file, at, size);
        file[size] = 0;
        if (stat(file, &facts) != 0) {
            return error_set(error, STATUS_INVALID, "%s: %s", file, strerror(errno));
        }
        if (!S_ISREG(facts.st_mode)) {
            return error_set(error, STATUS_INVALID,
                             "%s: of several paths each must be a regular file", file);
        }
        TRY(add_file(list, file, 0, &facts, error));
        at = comma ? comma + 1 : NULL;
    }
    return STATUS_OK;
}

static enum status add_path(struct source_list *list, const char *path, struct error *error)
{
    struct stat facts;
    if (strcmp(path, "-") == 0) return add_file(list, path, 0, NULL, error);
    if (stat(path, &facts) != 0) {
        if (errno == ENOENT && strchr(path, ',')) return add_several(list, path, error);
        return error_set(error, STATUS_INVALID, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(facts.st_mode)) return add_directory(list, path, error);
    const char *slash = strrchr(path, '/');
    return add_file(list, path, slash ? (size_t)(slash - path) + 1 : 0, &facts, error);
}

/* Bytes of the name without ".gz". */
static size_t plain_size(const char *name)
{
    static const char end[] = ".gz";
    size_t size = strlen(name), end_size = sizeof end - 1;
    bool compressed = size > end_size && strcmp(name + size - end_size, end) == 0;
    return compressed ? size - end_size : size;
}

/* By the names without ".gz", so that compressing a file does not move it. */
static int compare_file_names(const void *a, const void *b)
{
    const char *one = ((const struct source_entry *)a)->name;
    const char *other = ((const struct source_entry *)b)->name;
    size_t one_size = plain_size(one), other_size = plain_size(other);
    int order = memcmp(one, other, one_size < other_size ? one_size : other_size);
    return order ? order : (one_size > other_size) - (one_size < other_size);
}

/* In the order of names, of which no two may be of one file. */
static enum status order_list(struct source_list *list, struct error *error)
{
    qsort(list->at, list->count, sizeof *list->at, compare_file_names);
    for (uint32_t i = 1; i < list->count; i++) {
        if (compare_file_names(&list->at[i - 1], &list->at[i]) != 0) continue;
        return error_set(error, STATUS_INVALID,
                         "source.path: %s and %s are one file, or its compressed copy: leave one "
                         "of them out",
                         list->at[i - 1].path, list->at[i].path);
    }
    return STATUS_OK;
}

enum status source_list_open(struct source_list *list, const char *path, struct error *error)
{
    *list = (struct source_list){0};
    enum status status = add_path(list, path, error);
    if (status == STATUS_OK) status = order_list(list, error);
    if (status != STATUS_OK) source_list_close(list);
    return status;
}

static bool is_beside(const char *name, const char *of)
{
    const size_t size = strlen(of);
    return strncmp(name, of, size) == 0 && (name[size] == '.' || name[size] == '-');
}

static enum status add_beside(struct source_list *list, const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    const size_t at = slash ? (size_t)(slash - path) + 1 : 0;
    char directory_path[SOURCE_PATH_MAX];
    snprintf(directory_path, sizeof directory_path, "%.*s", at ? (int)at : 1, at ? path : ".");
    DIR *directory = opendir(directory_path);
    if (!directory) {
        return error_set(error, STATUS_INVALID, "%s: %s", directory_path, strerror(errno));
    }
    enum status status = STATUS_OK;
    const struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(directory))) {
        char file[SOURCE_PATH_MAX];
        struct stat facts;
        if (!is_beside(entry->d_name, path + at)) continue;
        const int size = snprintf(file, sizeof file, "%.*s%s", (int)at, path, entry->d_name);
        if (size < 0 || size >= (int)sizeof file || stat(file, &facts) != 0) continue;
        if (!S_ISREG(facts.st_mode)) continue;
        status = add_file(list, file, at, &facts, error);
        if (status == STATUS_OK) list->at[list->count - 1].beside = true;
    }
    closedir(directory);
    return status;
}

enum status source_list_open_followed(struct source_list *list, const char *path,
                                      struct error *error)
{
    struct stat facts;
    const bool there = stat(path, &facts) == 0;
    if (strchr(path, ',') || (there && !S_ISREG(facts.st_mode))) {
        return source_list_open(list, path, error);
    }
    *list = (struct source_list){0};
    enum status status = there ? add_path(list, path, error) : STATUS_OK;
    if (status == STATUS_OK) status = add_beside(list, path, error);
    if (status == STATUS_OK) status = order_list(list, error);
    if (status == STATUS_OK && list->count == 0) {
        status = error_set(error, STATUS_INVALID, "%s: no such file", path);
    }
    if (status != STATUS_OK) source_list_close(list);
    return status;
}

struct source_entry *source_list_find(const struct source_list *list, const char *name)
{
    const struct source_entry key = {.name = name};
    if (list->count == 0) return NULL;
    return bsearch(&key, list->at, list->count, sizeof *list->at, compare_file_names);
}
