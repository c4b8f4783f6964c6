/* What the pages of --admin say of a worker. */
#ifndef HERALD_WORKER_VITALS_H
#define HERALD_WORKER_VITALS_H

#include "common/admin.h"
#include "worker/crew.h"

/* `crew` must outlive the pages. */
struct admin_config vitals_of_worker(struct crew *crew);

#endif
