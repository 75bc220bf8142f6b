/*
 * fault.h - named step boundaries at which a test can kill the program.
 *
 * With BRAID_FAULT=name:3 in the environment the process kills itself (SIGKILL) when it passes that
 * point for the third time. Compiled in only where the build says so (BRAID_FAULT_POINTS, on in the
 * dev and asan presets, off in release); `braid version --faults` lists the points of a build.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdio.h>

#ifdef BRAID_FAULT_POINTS
#define FAULT_POINT(name) fault_point(name)
void fault_point(const char *name);
#else
#define FAULT_POINT(name) ((void)0)
#endif

/* Every point of the program, in the order an event passes them; ends with NULL. */
extern const char *const fault_names[];

#endif
