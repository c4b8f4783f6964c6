#include "producer/gateway/endpoints.h"

#include "common/json.h"

#define REPLAY_BODY_MAX ((size_t)128 << 10) /* bytes; with a merge patch */
#define EVENT_MAX       ((size_t)256 << 10) /* bytes; Genesys' own requests are a few hundred */

const struct endpoint endpoints[] = {
    {"POST", "/v1/messages", RIGHT_ENQUEUE, .body_max = JSON_MAX_BYTES, .needs_redis = true, messages_begin,
     messages_answer},
    {"GET", "/v1/messages/{}", RIGHT_READ, .needs_redis = true, .answer = message_answer},
    {"POST", "/v1/campaigns", RIGHT_ENQUEUE, .needs_redis = true, .begin = campaigns_begin},
    {"GET", "/v1/campaigns/{}", RIGHT_READ, .needs_redis = true, .answer = campaign_answer},
    {"POST", "/v1/campaigns/{}/pause", RIGHT_OPERATE, .needs_redis = true, .answer = campaign_pause},
    {"POST", "/v1/campaigns/{}/resume", RIGHT_OPERATE, .needs_redis = true, .answer = campaign_resume},
    {"POST", "/v1/campaigns/{}/cancel", RIGHT_OPERATE, .needs_redis = true, .answer = campaign_cancel},
    {"POST", "/webhooks/genesys-messaging", .body_max = EVENT_MAX, .needs_redis = true, .answer = webhook_messaging},
    {"POST", "/webhooks/open-messaging", .body_max = EVENT_MAX, .needs_redis = true, .answer = webhook_open},
    {"GET", "/v1/dead", RIGHT_READ, .needs_redis = true, .answer = dead_answer},
    {"POST", "/v1/dead/replay", RIGHT_OPERATE, .body_max = REPLAY_BODY_MAX, .needs_redis = true,
     .answer = dead_replay_answer},
    {"GET", "/v1/status", RIGHT_READ, .needs_redis = true, .answer = status_answer},
};

const size_t endpoint_count = sizeof(endpoints) / sizeof(endpoints[0]);
