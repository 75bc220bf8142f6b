/* stop_signal.c - two signals may be handled by two threads at once; only one of them is the first. */
#include "cli/stop_signal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static void (*stop_command)(void);

static void on_stop_signal(int number)
{
    static atomic_bool asked;
    if (atomic_exchange(&asked, true)) _exit(128 + number);
    stop_command();
}

void stop_signal_take(void (*stop)(void))
{
    struct sigaction action = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};
    stop_command = stop;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}
