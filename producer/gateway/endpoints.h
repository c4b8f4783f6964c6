/* The table of all endpoints (endpoints.c), and the functions of its rows, each in the file of its noun. */
#ifndef HERALD_PRODUCER_GATEWAY_ENDPOINTS_H
#define HERALD_PRODUCER_GATEWAY_ENDPOINTS_H

#include "producer/gateway/endpoint.h"

extern const struct endpoint endpoints[];
extern const size_t endpoint_count;

void messages_begin(struct exchange *exchange);  /* messages.c */
void messages_answer(struct exchange *exchange); /* messages.c */
void message_answer(struct exchange *exchange);  /* message.c */
void campaigns_begin(struct exchange *exchange); /* upload.c */
void campaign_answer(struct exchange *exchange); /* campaign.c */
void campaign_pause(struct exchange *exchange);
void campaign_resume(struct exchange *exchange);
void campaign_cancel(struct exchange *exchange);
void status_answer(struct exchange *exchange); /* status.c */
void dead_answer(struct exchange *exchange);   /* dead.c */
void dead_replay_answer(struct exchange *exchange);
void webhook_messaging(struct exchange *exchange); /* webhooks.c */
void webhook_open(struct exchange *exchange);

#endif
