/* What the pages of --admin say of a gateway. */
#ifndef HERALD_PRODUCER_GATEWAY_VITALS_H
#define HERALD_PRODUCER_GATEWAY_VITALS_H

#include "common/admin.h"
#include "producer/gateway/server.h"

struct vitals {
    struct gateway *gateway;
    struct server *server;
};

/* `vitals` must outlive the pages. */
struct admin_config vitals_of_gateway(struct vitals *vitals);

#endif
