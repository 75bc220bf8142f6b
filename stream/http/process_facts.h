/* process_facts.h - what the kernel knows of this process, as metrics (process_*). */
#ifndef STREAM_HTTP_PROCESS_FACTS_H
#define STREAM_HTTP_PROCESS_FACTS_H

/* Sets them to what they are now; what cannot be read stays as it was. Any thread. */
void process_facts_update(void);

#endif
