/* stop_signal.h - SIGTERM and SIGINT ask a long command to end well; a second one ends it at once. */
#ifndef CLI_STOP_SIGNAL_H
#define CLI_STOP_SIGNAL_H

/*
 * From here on the first of these signals calls `stop`, which must be async-signal-safe; the second
 * exits with 128 + its number, which costs nothing but a recovery. SIGPIPE is ignored: a closed
 * standard error must not end the command.
 */
void stop_signal_take(void (*stop)(void));

#endif
