/* process_facts.c - see process_facts.h; proc(5). */
#include "stream/http/process_facts.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"

static void set_fact(const char *name, int64_t value)
{
    metric_set(metrics_get(name, NULL, NULL), value);
}

/* Fields 20 to 24 of what follows the name, which is in parentheses and may hold some itself. */
static void update_stat(void)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "r");
    if (!file) return;
    const size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    const char *behind = strrchr(text, ')');
    uint64_t start, virtual_bytes;
    int64_t resident_pages;
    if (!behind || sscanf(behind + 1,
                          " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                          "%*d %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
                          &start, &virtual_bytes, &resident_pages) != 3) {
        return;
    }
    struct timespec up;
    clock_gettime(CLOCK_BOOTTIME, &up);
    const int64_t up_ms = (int64_t)up.tv_sec * 1000 + up.tv_nsec / 1000000;
    const int64_t start_ms = (int64_t)start * 1000 / sysconf(_SC_CLK_TCK);
    const struct metric *known = metrics_get("process_start_time_seconds", NULL, NULL);
    if (metric_value(known) == 0) {
        set_fact("process_start_time_seconds", clock_wall_ms() - up_ms + start_ms);
    }
    set_fact("process_virtual_memory_bytes", (int64_t)virtual_bytes);
    set_fact("process_resident_memory_bytes", resident_pages * sysconf(_SC_PAGESIZE));
}

static void update_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) set_fact("process_max_fds", (int64_t)limit.rlim_cur);
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) return;
    int64_t count = -3; /* this folder's own, . and .. */
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    set_fact("process_open_fds", count);
}

void process_facts_update(void)
{
    set_fact("process_cpu_seconds_total", clock_process_ns() / 1000000);
    update_stat();
    update_files();
}
