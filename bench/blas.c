/* blas.c - the only includer of cblas.h, and the search for OpenBLAS' fastest code. */
#include "bench/blas.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"

enum { TRY_ROWS = 512, TRY_OUT = 192, TRY_IN = 64, TRY_CALLS = 200, TRY_REPEATS = 5 };

static const char TRIAL[] = "BRAID_BENCH_BLAS_TRIAL"; /* where a trial writes: a descriptor */

void blas_matmul(float *y, const float *x, const float *weight, uint32_t rows, uint32_t out,
                 uint32_t in)
{
    const int m = (int)rows, n = (int)out, k = (int)in;
    if (rows == 1) {
        cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, weight, k, x, 1, 0, y, 1);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x, k, weight, k, 0, y, n);
    }
}

/* Of this thread's processor time, which does not count who else computes here. */
static int64_t spent_ns(void)
{
    struct timespec spent;
    REQUIRE(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) == 0);
    return (int64_t)spent.tv_sec * 1000000000 + spent.tv_nsec;
}

/* Nanoseconds of some products, the least of some tries. */
static int64_t try_products(void)
{
    static float x[TRY_ROWS * TRY_IN], y[TRY_ROWS * TRY_OUT], weight[TRY_OUT * TRY_IN];
    int64_t best = INT64_MAX;
    for (int repeat = 0; repeat < TRY_REPEATS; repeat++) {
        const int64_t from = spent_ns();
        for (int i = 0; i < TRY_CALLS; i++) {
            blas_matmul(y, x, weight, TRY_ROWS, TRY_OUT, TRY_IN);
        }
        const int64_t ns = spent_ns() - from;
        best = ns < best ? ns : best;
    }
    return best;
}

/* The same in a process of its own with that code; INT64_MAX if it ends badly. */
static int64_t try_core(const char *core, char **arguments)
{
    int64_t ns = INT64_MAX;
    int ends[2];
    char descriptor[16];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        snprintf(descriptor, sizeof descriptor, "%d", ends[1]);
        setenv("OPENBLAS_CORETYPE", core, 1);
        setenv(TRIAL, descriptor, 1);
        execv("/proc/self/exe", arguments);
        _exit(1);
    }
    close(ends[1]);
    if (read(ends[0], &ns, sizeof ns) != sizeof ns) ns = INT64_MAX;
    close(ends[0]);
    waitpid(child, NULL, 0);
    return ns;
}

static const char *fastest_core(char **arguments)
{
    const char *cores[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids"};
    const bool wide = __builtin_cpu_supports("x86-64-v4");
    const bool newer = wide && __builtin_cpu_supports("avx512bf16");
    const bool runs[] = {true, true, wide, newer, newer};
    const char *fastest = cores[0];
    int64_t best = INT64_MAX;
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++) {
        const int64_t ns = runs[i] ? try_core(cores[i], arguments) : INT64_MAX;
        if (ns < best) best = ns, fastest = cores[i];
    }
    return fastest;
}

void blas_open(char **arguments)
{
    const char *trial = getenv(TRIAL);
    openblas_set_num_threads(1);
    if (trial) {
        const int64_t ns = try_products();
        _exit(write((int)strtol(trial, NULL, 10), &ns, sizeof ns) == sizeof ns ? 0 : 1);
    }
    if (!getenv("OPENBLAS_CORETYPE")) {
        setenv("OPENBLAS_CORETYPE", fastest_core(arguments), 1);
        execv("/proc/self/exe", arguments);
        perror("no second start with the fastest OpenBLAS");
        exit(1);
    }
    printf("case=blas core=%s\n", openblas_get_corename());
    fflush(stdout);
}
