/*
 * bench_http.c - what answers take, and what they take from the stream beside them. One file job of
 * 100,000 users by Zipf's law and 50,000 items; who is asked for follows the same law.
 *
 *     case=interests   while the job runs at saturation, four kinds of phases in turn, SECONDS of
 *                      each in all: no requests (alone_events_per_s), 1,000 a second for users'
 *                      interests (events_per_s), as many for /healthz (healthz_fall), and as
 *                      many to another process, whose threads send as many bytes at once without a
 *                      look at the request (bare_fall). fall: by how much less than alone.
 *                      The client is on the same cores, which the job would not pay for: bare_fall
 *                      is what it takes with the least that could answer it. What the client and the
 *                      job's answering threads take is told a request for interests (client_cpu_us,
 *                      answer_cpu_us)
 *     case=recommend   200 requests a second for ten of all items, when the log is read to its end
 *
 * Phases take 2 s at most, and every second round of them goes the other way round, so what drifts
 * falls on all kinds alike. The job reads the same events from a pipe again and again for as long
 * as that takes. Requests are due by the clock and not when the one before was answered; latency
 * counts from when one was due, so waiting in line counts.
 *
 * bench_http [SECONDS]    60 unless told otherwise; a minute of saturation writes some 5 GB below
 *                         BRAID_BENCH_DIR (/tmp), and there are four
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/job_runner.h"
#include "stream/http/server.h"

enum {
    CLIENTS = 4, /* connections, each with a thread */
    USERS = 100000,
    ITEMS = 50000,
    ANSWER_MAX = 1 << 20,
    EVENTS = 4000000, /* of the log that is read again and again */
    WARM_EVENTS = 500000,
    PHASE_S_MAX = 2,
    BARE_SIZE = 3000, /* bytes of an answer of the bare server: of a user with four interests */
    PIPE_SIZE = 1 << 20,
    TIMES_MAX = 1 << 20,
};

/* The requests of one phase. */
struct load {
    uint16_t port;    /* of who is asked */
    const char *rest; /* of the path, behind the user; NULL: /healthz */
    double rate;      /* a second, all clients together */
    int64_t begin_ns, end_ns;
    struct log_generator *users; /* under the lock */
    pthread_mutex_t lock;
    double ms[TIMES_MAX];
    uint32_t count, missing; /* answers, and those that knew no such user */
    double cpu_s;            /* processor time of the clients */
};

/* A log that is written into a pipe again and again. */
struct feed {
    pthread_t thread;
    int log, pipe;
    off_t size; /* of the log, bytes */
    atomic_bool over;
    uint64_t times; /* it was written; when the thread has ended */
};

static void *run_feed(void *context)
{
    struct feed *feed = context;
    while (!atomic_load(&feed->over)) {
        for (off_t at = 0; at < feed->size;) {
            REQUIRE(splice(feed->log, &at, feed->pipe, NULL, PIPE_SIZE, 0) > 0);
        }
        feed->times++;
    }
    close(feed->pipe);
    close(feed->log);
    return NULL;
}

static void feed_begin(struct feed *feed, const char *log, int pipe_end)
{
    *feed = (struct feed){.log = open(log, O_RDONLY | O_CLOEXEC), .pipe = pipe_end};
    REQUIRE(feed->log >= 0 && (feed->size = lseek(feed->log, 0, SEEK_END)) > 0);
    REQUIRE(pthread_create(&feed->thread, NULL, run_feed, feed) == 0);
}

/* Ends it with the last line of the log; returns how many events there were in all. */
static double feed_end(struct feed *feed)
{
    atomic_store(&feed->over, true);
    pthread_join(feed->thread, NULL);
    return (double)feed->times * EVENTS;
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

/* Sends a request and reads its answer into `answer`; its code. */
static int ask(int fd, const char *path, char *answer)
{
    char head[512];
    const int size =
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    REQUIRE(write(fd, head, (size_t)size) == size);
    size_t used = 0, wanted = SIZE_MAX;
    while (used < wanted) {
        const ssize_t more = read(fd, answer + used, ANSWER_MAX - 1 - used);
        REQUIRE(more > 0);
        used += (size_t)more;
        answer[used] = 0;
        const char *end = strstr(answer, "\r\n\r\n");
        const char *length = strstr(answer, "Content-Length: ");
        if (end && length) {
            wanted =
                (size_t)(end + 4 - answer) + strtoul(length + strlen("Content-Length: "), NULL, 10);
        }
    }
    return (int)strtol(answer + strlen("HTTP/1.1 "), NULL, 10);
}

/* The path of the next request, and when it is due; false: the phase is over. */
static bool next_request(struct load *load, char *path, size_t room, uint32_t *indexp,
                         int64_t *due_nsp)
{
    char line[LOG_LINE_SIZE_MAX];
    pthread_mutex_lock(&load->lock);
    const uint32_t index = load->count;
    const int64_t due_ns = load->begin_ns + (int64_t)(1e9 * index / load->rate);
    const bool more = due_ns < load->end_ns && index < TIMES_MAX;
    if (more) {
        log_generator_next(load->users, line);
        const char *user = strstr(line, "\"user\":\"") + strlen("\"user\":\"");
        snprintf(path, room, "/users/%.*s/%s", (int)strcspn(user, "\""), user,
                 load->rest ? load->rest : "");
        if (!load->rest) snprintf(path, room, "/healthz");
        load->count++;
    }
    pthread_mutex_unlock(&load->lock);
    *indexp = index;
    *due_nsp = due_ns;
    return more;
}

static double thread_cpu_s(void)
{
    struct timespec spent;
    REQUIRE(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) == 0);
    return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

static void *run_client(void *context)
{
    struct load *load = context;
    char path[256], *answer = malloc(ANSWER_MAX);
    const int fd = connect_to(load->port);
    REQUIRE(answer && fd >= 0);
    uint32_t index;
    int64_t due_ns;
    while (next_request(load, path, sizeof path, &index, &due_ns)) {
        const int64_t wait_ns = due_ns - clock_monotonic_ns();
        if (wait_ns > 0)
            nanosleep(&(struct timespec){wait_ns / 1000000000, wait_ns % 1000000000}, NULL);
        const int code = ask(fd, path, answer);
        load->ms[index] = (double)(clock_monotonic_ns() - due_ns) / 1e6;
        REQUIRE(code == 200 || code == 404);
        pthread_mutex_lock(&load->lock);
        load->missing += code == 404;
        pthread_mutex_unlock(&load->lock);
    }
    pthread_mutex_lock(&load->lock);
    load->cpu_s += thread_cpu_s();
    pthread_mutex_unlock(&load->lock);
    close(fd);
    free(answer);
    return NULL;
}

static void forget_load(struct load *load)
{
    load->count = load->missing = 0;
    load->cpu_s = 0;
}

static void run_load(struct load *load, double seconds)
{
    pthread_t threads[CLIENTS];
    forget_load(load);
    load->begin_ns = clock_monotonic_ns();
    load->end_ns = load->begin_ns + (int64_t)(seconds * 1e9);
    for (int i = 0; i < CLIENTS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_client, load) == 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static int compare_times(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of `count` sorted values. */
static double quantile(const double *sorted, uint32_t count, double share)
{
    return count ? sorted[(uint32_t)(share * (count - 1))] : 0;
}

/* Events that the job has committed. */
static double committed(int fd, char *answer)
{
    REQUIRE(ask(fd, "/metrics", answer) == 200);
    const char *sample = strstr(answer, "braid_events_total{verdict=\"accepted\"} ");
    return sample ? strtod(strchr(sample, ' '), NULL) : 0;
}

/* A socket at a port of loopback that nobody has. */
static int bind_to_free_port(uint16_t *portp)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *portp = ntohs(address.sin_port);
    return fd;
}

static void on_stop(int number)
{
    (void)number;
    job_stop();
}

/* The job with its server in a process of its own, until it is told to stop; it reads `input`. */
static pid_t start_job(const struct runner *runner, const int input[2])
{
    struct error error;
    struct job_summary summary;
    struct server *server;
    fflush(stdout);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child > 0) return child;
    signal(SIGTERM, on_stop);
    REQUIRE(dup2(input[0], STDIN_FILENO) == STDIN_FILENO && close(input[1]) == 0);
    runner_check(server_open(&server, &runner->config, &error), &error);
    const struct job_viewer viewer = server_viewer(server);
    runner_check(job_run(&runner->config, NULL, &viewer, &summary, &error), &error);
    server_close(server);
    _exit(0);
}

/* Seconds of processor time, from their beginning, of the job's threads that answer. */
static double answer_cpu_s(pid_t job)
{
    char path[64], line[64];
    double ns = 0;
    snprintf(path, sizeof path, "/proc/%d/task", job);
    DIR *tasks = opendir(path);
    REQUIRE(tasks);
    for (const struct dirent *task; (task = readdir(tasks));) {
        const char *const names[] = {"comm", "schedstat"}; /* the latter begins with ns of work */
        bool answers = false;
        for (int i = 0; i < 2; i++) {
            char file[sizeof path + sizeof task->d_name + 16];
            snprintf(file, sizeof file, "%s/%s/%s", path, task->d_name, names[i]);
            FILE *in = fopen(file, "re");
            if (in && fgets(line, sizeof line, in)) {
                if (i == 0) answers = strncmp(line, "MHD", 3) == 0;
                if (i == 1 && answers) ns += strtod(line, NULL);
            }
            if (in) fclose(in);
        }
    }
    closedir(tasks);
    return ns / 1e9;
}

/* ---- a server that does nothing ---- */

static void *run_bare_connection(void *context)
{
    const int fd = (int)(intptr_t)context;
    char question[4096], answer[BARE_SIZE + 128] = {0};
    const int head =
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BARE_SIZE);
    const size_t size = (size_t)head + BARE_SIZE;
    while (read(fd, question, sizeof question) > 0 && write(fd, answer, size) > 0) {
    }
    close(fd);
    return NULL;
}

/* Listens at a free port in a process of its own, until that is killed. */
static pid_t start_bare(uint16_t *portp)
{
    const int fd = bind_to_free_port(portp);
    REQUIRE(listen(fd, CLIENTS) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int taken; child == 0 && (taken = accept(fd, NULL, NULL)) >= 0;) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, run_bare_connection, (void *)(intptr_t)taken) == 0);
        pthread_detach(thread);
    }
    close(fd);
    return child;
}

/* ---- phases ---- */

enum arm { ARM_ALONE, ARM_INTERESTS, ARM_HEALTHZ, ARM_BARE, ARMS };

struct ports {
    uint16_t job, bare;
};

/* What one kind of phase came to. */
struct sums {
    double events, seconds, answers_s, client_s, p99; /* p99: ms, of the worst phase */
    uint32_t asked, missing, phases;
};

static void run_phase(struct load *load, enum arm arm, double seconds, pid_t job,
                      const struct ports *ports, int fd, char *answer, struct sums *sums)
{
    const double before = committed(fd, answer), answers_s = answer_cpu_s(job);
    const int64_t begin_ns = clock_monotonic_ns();
    load->rest = arm == ARM_INTERESTS ? "interests" : NULL;
    load->port = arm == ARM_BARE ? ports->bare : ports->job;
    if (arm == ARM_ALONE) {
        forget_load(load);
        clock_sleep_ms((uint32_t)(seconds * 1000));
    } else {
        run_load(load, seconds);
    }
    sums->events += committed(fd, answer) - before;
    sums->seconds += (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    sums->answers_s += answer_cpu_s(job) - answers_s;
    sums->client_s += load->cpu_s;
    qsort(load->ms, load->count, sizeof *load->ms, compare_times);
    const double p99 = quantile(load->ms, load->count, 0.99);
    if (p99 > sums->p99) sums->p99 = p99;
    sums->asked += load->count;
    sums->missing += load->missing;
    sums->phases++;
}

/* All kinds of phases in turn, there and back, `seconds` of each in all, while the job reads. */
static void bench_interests(struct load *load, pid_t job, const struct ports *ports, int fd,
                            char *answer, double seconds)
{
    struct sums all[ARMS] = {0};
    const int rounds = (int)ceil(seconds / PHASE_S_MAX);
    while (committed(fd, answer) < WARM_EVENTS) {
        clock_sleep_ms(50);
    }
    for (int i = 0; i < rounds * ARMS; i++) {
        const int arm = i / ARMS % 2 == 0 ? i % ARMS : ARMS - 1 - i % ARMS;
        run_phase(load, arm, seconds / rounds, job, ports, fd, answer, &all[arm]);
    }
    double rates[ARMS];
    for (int arm = 0; arm < ARMS; arm++) {
        rates[arm] = all[arm].events / all[arm].seconds;
    }
    const struct sums *with = &all[ARM_INTERESTS];
    printf("case=interests requests_per_s=%.0f seconds=%.0f phases=%u events_per_s=%.0f "
           "alone_events_per_s=%.0f fall=%.3f healthz_fall=%.3f bare_fall=%.3f "
           "p99_ms_of_worst_phase=%.2f not_found=%.3f answer_cpu_us=%.0f client_cpu_us=%.0f\n",
           with->asked / with->seconds, with->seconds, with->phases, rates[ARM_INTERESTS],
           rates[ARM_ALONE], 1 - rates[ARM_INTERESTS] / rates[ARM_ALONE],
           1 - rates[ARM_HEALTHZ] / rates[ARM_ALONE], 1 - rates[ARM_BARE] / rates[ARM_ALONE],
           with->p99, (double)with->missing / with->asked, with->answers_s * 1e6 / with->asked,
           with->client_s * 1e6 / with->asked);
    fflush(stdout);
}

static void bench_recommend(struct load *load, uint16_t port, double seconds)
{
    load->port = port;
    load->rest = "recommendations";
    load->rate = 200;
    run_load(load, 2); /* the first one makes the items ready */
    run_load(load, seconds);
    qsort(load->ms, load->count, sizeof *load->ms, compare_times);
    printf("case=recommend items=%d requests_per_s=%.0f seconds=%.0f p50_ms=%.2f p99_ms=%.2f "
           "max_ms=%.2f not_found=%.3f\n",
           ITEMS, load->count / seconds, seconds, quantile(load->ms, load->count, 0.5),
           quantile(load->ms, load->count, 0.99), load->ms[load->count - 1],
           (double)load->missing / load->count);
}

/* A job at a free port that reads the log from a pipe. */
static void set_up(struct runner *runner, struct load *load, uint16_t *portp)
{
    struct error error;
    static char listen[16];
    const struct log_options of_log = {USERS, ITEMS, 1, 1, 1}, of_load = {USERS, ITEMS, 1, 1, 2};
    runner_open(runner);
    runner_log(runner, &of_log, EVENTS);
    runner_check(log_generator_open(&load->users, &of_load, &error), &error);
    pthread_mutex_init(&load->lock, NULL);
    close(bind_to_free_port(portp));
    load->rate = 1000;
    snprintf(listen, sizeof listen, "%u", *portp);
    runner->config.source.path = "-";
    runner->config.job.memory = (uint64_t)4 << 30;
    runner->config.job.commit_interval_ms = 200; /* what is counted is counted at commits */
    runner->config.http.listen = listen;
    runner->config.http.stay = true;
    runner->config.http.timeout_ms = 3600000;
}

int main(int count, char **arguments)
{
    static struct load load;
    struct runner runner;
    struct feed feed;
    struct ports ports;
    const double seconds = count > 1 ? strtod(arguments[1], NULL) : 60;
    char *answer = malloc(ANSWER_MAX);
    int fd, ends[2], status;
    REQUIRE(answer && seconds > 0);
    set_up(&runner, &load, &ports.job);
    REQUIRE(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE) >= 0);
    const pid_t job = start_job(&runner, ends), bare = start_bare(&ports.bare);
    close(ends[0]);
    feed_begin(&feed, runner.log, ends[1]);
    while ((fd = connect_to(ports.job)) < 0) {
        clock_sleep_ms(10);
    }
    bench_interests(&load, job, &ports, fd, answer, seconds);
    REQUIRE(kill(bare, SIGKILL) == 0 && waitpid(bare, &status, 0) == bare);
    const double events = feed_end(&feed);
    while (committed(fd, answer) < events) {
        clock_sleep_ms(100);
    }
    bench_recommend(&load, ports.job, seconds / 2);
    kill(job, SIGTERM);
    REQUIRE(waitpid(job, &status, 0) == job && status == 0);
    close(fd);
    log_generator_close(load.users);
    runner_close(&runner);
    free(answer);
    return 0;
}
