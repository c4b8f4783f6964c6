/* What `herald doctor` finds: one finding for each thing that it looks at. */
#ifndef HERALD_PRODUCER_CHECKUP_H
#define HERALD_PRODUCER_CHECKUP_H

#include "common/settings.h"
#include "common/store_server.h"
#include "producer/command.h"

/* From good to bad. AWAY is Redis or Genesys out of reach. */
enum health { HEALTH_GOOD, HEALTH_UNKNOWN, HEALTH_WARNING, HEALTH_BAD, HEALTH_AWAY, HEALTH_COUNT };

const char *health_name(enum health health);

struct finding {
    const char *what; /* one word, stable for scripts */
    enum health health;
    struct reason text;
};

#define FINDINGS_MAX 24

struct checkup {
    struct finding findings[FINDINGS_MAX];
    size_t count;
};

/* The parts of a check-up, each adding its findings; all but the first two may wait. */
void checkup_server(struct checkup *checkup, const struct store_server *server);
void checkup_org(struct checkup *checkup, const struct store_status *status);
void checkup_redis(struct checkup *checkup, const struct settings *settings); /* and what is in it */
void checkup_genesys(struct checkup *checkup, const struct settings *settings);
/* Whether a program of ours is ready: `admin` is http://HOST:PORT, or HOST:PORT, of its --admin, else ERR_INVALID. */
int checkup_admin(struct checkup *checkup, const char *admin, struct reason *why);

/* The exit status that the worst of them makes: done, failed, or out of reach. */
enum exit_status checkup_status(const struct checkup *checkup);

#endif
