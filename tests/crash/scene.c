/* scene.c - the folder, the log in it, and the program as a child process. */
#include "tests/crash/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/status.h"
#include "stream/interests/interest_record.h"

enum { PARTITIONS = 4, RECORD_MAX = 1 << 16 };

/* Small polls, small commits and small flushes, so that a short log passes every path often. */
static const char configuration[] = "source: {path: %s/log.jsonl, time: s, event_size_max: 512,\n"
                                    "  fields: {action: action, category: category}}\n"
                                    "actions: {view: 1, buy: 3}\n"
                                    "model: {checkpoint: %s/generation-1.safetensors}\n"
                                    "state: {partitions: 4, history_max: 128, snapshot_every: 2,\n"
                                    "  flush_interval: 100ms, flush_size: 64KB}\n"
                                    "job: {workers: 2, memory: 128MB, commit_interval: 20ms,\n"
                                    "  commit_events_max: 64, poll_events_max: 23}\n"
                                    "log: {quiet: true}\n";

_Noreturn static void broken(const char *what, const char *which)
{
    fprintf(stderr, "scene: %s %s: %s\n", what, which, strerror(errno));
    abort();
}

const char *scene_path(const struct scene *scene, const char *format, ...)
{
    static char paths[5][SCENE_PATH_MAX + 256];
    static unsigned turn;
    char *path = paths[turn++ % 5];
    int size = snprintf(path, sizeof paths[0], "%s/", scene->dir);
    va_list values;
    va_start(values, format);
    vsnprintf(path + size, sizeof paths[0] - (size_t)size, format, values);
    va_end(values);
    return path;
}

char *scene_read(const char *path, size_t *sizep)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (!file || fstat(fileno(file), &about) != 0) broken("reading", path);
    char *bytes = malloc((size_t)about.st_size + 64); /* readable bytes behind, as decoders want */
    if (!bytes) broken("reading", path);
    *sizep = fread(bytes, 1, (size_t)about.st_size, file);
    memset(bytes + *sizep, 0, 64);
    fclose(file);
    return bytes;
}

void scene_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) broken("writing", path);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

void scene_remove(const struct scene *scene, const char *name)
{
    nftw(scene_path(scene, "%s", name), remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the log ---- */

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed += 0x9E3779B97F4A7C15u;
    return splitmix64(*seed) % below;
}

/* Every way in which an event can be unusable; %u is its number. */
static const char *const unusable_events[] = {
    "this is no JSON %u\n",
    "{\"user\":\"u%u\",\"item\":\"i1\"\n",
    "{\"user\":\"u%u\",\"time\":1500000000,\"action\":\"view\"}\n",
    "{\"user\":\"u%u\",\"item\":{},\"time\":1500000000,\"action\":\"view\"}\n",
    "{\"user\":\"u%u\",\"item\":\"i1\",\"time\":9999999999999,\"action\":\"view\"}\n",
    "{\"user\":\"u%u\",\"item\":\"i1\",\"time\":\"noon\",\"action\":\"view\"}\n",
    "{\"user\":\"u%u\",\"item\":\"\xff\xfe\",\"time\":1500000000,\"action\":\"view\"}\n",
    "\n",
};
enum { UNUSABLE_EVENTS = sizeof unusable_events / sizeof *unusable_events };

static void write_unusable(FILE *log, struct scene *scene)
{
    uint32_t number = scene->bad + scene->blank;
    uint32_t kind = number++ % (UNUSABLE_EVENTS + 1);
    bool blank = kind < UNUSABLE_EVENTS && *unusable_events[kind] == '\n';
    scene->blank += blank;
    scene->bad += !blank;
    if (kind < UNUSABLE_EVENTS) {
        fprintf(log, unusable_events[kind], number); /* NOLINT: the formats are above */
        return;
    }
    fprintf(log, "{\"user\":\"%0600u\",\"item\":\"i1\"}\n", number); /* longer than allowed */
}

static void write_log(struct scene *scene, uint32_t events, uint64_t seed)
{
    FILE *log = fopen(scene_path(scene, "log.jsonl"), "wb");
    if (!log) broken("writing", "log.jsonl");
    uint64_t time_s = 1500000000;
    for (scene->events = 0; scene->events < events; scene->events++) {
        time_s += draw(&seed, 200);
        if (draw(&seed, 40) == 0) {
            write_unusable(log, scene);
            continue;
        }
        /* A few users have most of the events, and pass history_max. */
        uint64_t user = draw(&seed, 1 + draw(&seed, 1 + draw(&seed, 60)));
        uint64_t item = (user * 7 + draw(&seed, 1 + draw(&seed, 100))) % 150;
        uint64_t late_s = draw(&seed, 10) == 0 ? draw(&seed, 100000) : 0;
        bool dropped = draw(&seed, 50) == 0;
        scene->dropped += dropped;
        fprintf(log,
                "{\"user\":\"u%" PRIu64 "\",\"item\":\"i%" PRIu64 "\",\"time\":%" PRIu64
                ",\"action\":\"%s\",\"category\":\"c%" PRIu64 "\"}\n",
                user, item, time_s - late_s,
                dropped          ? "wink"
                : draw(&seed, 5) ? "view"
                                 : "buy",
                item % 9);
    }
    if (fclose(log) != 0) broken("writing", "log.jsonl");
}

/* ---- the program ---- */

static void sleep_us(int64_t us)
{
    struct timespec wait = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&wait, &wait) != 0 && errno == EINTR) {
    }
}

_Noreturn static void become(const struct scene *scene, char *const *arguments,
                             const struct scene_run *how, int output)
{
    /* A pipe that is opened for writing, too, never ends. */
    int input = open(how->input ? how->input : "/dev/null", O_RDWR);
    if (input < 0 || dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0 || chdir(scene->dir) != 0) {
        _exit(126);
    }
    if (how->fault) setenv("BRAID_FAULT", how->fault, 1);
    execv(arguments[0], arguments);
    _exit(127);
}

static void read_output(struct scene *scene, int output)
{
    ssize_t size = pread(output, scene->output, sizeof scene->output - 1, 0);
    scene->output[size > 0 ? size : 0] = 0;
    close(output);
}

/* Whether the child has a handler for the signal, so that it no longer just dies of it. 0: none. */
static bool handles_signal(pid_t child, int signal)
{
    if (!signal) return true;
    char path[64], line[256];
    uint64_t caught = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "SigCgt: %" SCNx64, &caught) == 1) break;
    }
    fclose(file);
    return caught >> (signal - 1) & 1;
}

static bool has_ended(pid_t child)
{
    siginfo_t ended = {0};
    return waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid;
}

/* Two signals at the same moment are two that a stopped process finds when it goes on. */
static void send_signals(pid_t child, const struct scene_run *how)
{
    while (how->signal != SIGKILL &&
           !(handles_signal(child, how->signal) && handles_signal(child, how->second_signal)) &&
           !has_ended(child)) {
        sleep_us(1000);
    }
    sleep_us(how->signal_us);
    if (how->second_signal) kill(child, SIGSTOP);
    kill(child, how->signal);
    if (!how->second_signal) return;
    kill(child, how->second_signal);
    kill(child, SIGCONT);
}

/* Starts the program, signals it as told, and waits for its end. */
static int run_child(struct scene *scene, char *const *arguments, const struct scene_run *how)
{
    int output = memfd_create("output", MFD_CLOEXEC);
    pid_t child = fork();
    if (output < 0 || child < 0) broken("starting", arguments[0]);
    if (child == 0) become(scene, arguments, how, output);
    if (how->signal_us > 0) send_signals(child, how);
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) broken("waiting for", arguments[0]);
    }
    read_output(scene, output);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int scene_program(struct scene *scene, const char *const *arguments, const struct scene_run *how)
{
    static const struct scene_run plainly;
    char *all[SCENE_ARGUMENTS_MAX + 2] = {getenv("BRAID")};
    if (!all[0]) broken("no program in", "$BRAID");
    for (int i = 0; arguments[i] && i < SCENE_ARGUMENTS_MAX; i++) {
        all[i + 1] = (char *)(uintptr_t)arguments[i];
    }
    return run_child(scene, all, how ? how : &plainly);
}

int scene_run(struct scene *scene, const char *command, const char *name,
              const struct scene_run *how)
{
    char state[SCENE_PATH_MAX + 64];
    char output[SCENE_PATH_MAX + 64];
    snprintf(state, sizeof state, "--state.dir=%s/%s/state", scene->dir, name);
    snprintf(output, sizeof output, "--output.dir=%s/%s/output", scene->dir, name);
    const char *arguments[] = {
        command, "--config", "braid.yaml", state, output, how ? how->setting : NULL, NULL};
    return scene_program(scene, arguments, how);
}

void scene_open(struct scene *scene, uint32_t events, uint64_t seed)
{
    *scene = (struct scene){0};
    snprintf(scene->dir, sizeof scene->dir, "/tmp/braid-scene-XXXXXX");
    if (!mkdtemp(scene->dir)) broken("making", scene->dir);
    write_log(scene, events, seed);
    FILE *file = fopen(scene_path(scene, "braid.yaml"), "w");
    if (!file) broken("writing", "braid.yaml");
    fprintf(file, configuration, scene->dir, scene->dir);
    if (fclose(file) != 0) broken("writing", "braid.yaml");
    static const char *const init[] = {"init",      "--config", "braid.yaml", "--d=16",
                                       "--heads=2", "--seed=7", NULL};
    if (scene_program(scene, init, NULL) != 0) broken("braid init:", scene->output);
}

void scene_close(struct scene *scene)
{
    scene_remove(scene, "");
}

/* ---- results ---- */

/* What a user's newest record holds. The hash over all users does not depend on their order. */
struct newest {
    struct newest *next;
    uint64_t user;
    uint64_t content;
    uint64_t generation;
};

static void note_newest(struct newest **list, struct bytes line)
{
    static _Alignas(64) char arena[RECORD_MAX];
    struct interest_record record;
    struct error error;
    if (interest_record_decode_json(line, arena, sizeof arena, &record, &error) != STATUS_OK) {
        broken("decoding", error.text);
    }
    if (record.gone) return;
    uint64_t user = identity_of(record.user.at, record.user.size);
    struct newest *at = *list;
    while (at && at->user != user) {
        at = at->next;
    }
    if (!at) {
        at = malloc(sizeof *at);
        if (!at) broken("out of", "memory");
        *at = (struct newest){*list, user, 0, 0};
        *list = at;
    }
    at->content = interest_record_checksum(&record);
    at->generation = record.generation;
}

static struct newest *newest_of(struct scene *scene, const char *name)
{
    struct newest *list = NULL;
    for (int partition = 0; partition < PARTITIONS; partition++) {
        size_t size;
        char *bytes =
            scene_read(scene_path(scene, "%s/output/interests-%04d.jsonl", name, partition), &size);
        for (char *at = bytes, *end; (end = memchr(at, '\n', size - (size_t)(at - bytes)));
             at = end + 1) {
            note_newest(&list, (struct bytes){at, (size_t)(end - at)});
        }
        free(bytes);
    }
    return list;
}

uint64_t scene_result(struct scene *scene, const char *name, uint32_t *usersp)
{
    uint64_t result = 0;
    *usersp = 0;
    for (struct newest *at = newest_of(scene, name), *next; at; at = next, ++*usersp) {
        result += splitmix64(at->user ^ splitmix64(at->content));
        next = at->next;
        free(at);
    }
    return result;
}

uint64_t scene_generation(struct scene *scene, const char *name, uint32_t *usersp)
{
    uint64_t least = UINT64_MAX, greatest = 0;
    *usersp = 0;
    for (struct newest *at = newest_of(scene, name), *next; at; at = next, ++*usersp) {
        if (at->generation < least) least = at->generation;
        if (at->generation > greatest) greatest = at->generation;
        next = at->next;
        free(at);
    }
    return least == greatest ? least : 0;
}
