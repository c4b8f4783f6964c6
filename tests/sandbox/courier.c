/* The delivery of receipts over libcurl, whose types stay here. Redirects are not followed; what a receiver says beyond
 * its status is thrown away. */
#include "tests/sandbox/courier.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COURIER_TRANSFERS 64
#define COURIER_IDLE_MS   60000
#define HEADER_NAME       "X-Hub-Signature-256: "

struct transfer {
    CURL *easy;
    struct courier_item *item; /* NULL: free */
    struct letter letter;
    struct curl_slist headers[3]; /* nodes of our own: no allocation for each letter */
    char signature[sizeof HEADER_NAME + NOTICE_SIGNATURE_SIZE];
};

/* `lock` protects the queue and `stopping`; all else belongs to the thread. */
struct courier {
    struct courier_client client;
    CURLM *multi;
    struct transfer transfers[COURIER_TRANSFERS];
    size_t active;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    struct courier_item *first;
    struct courier_item *last;
    bool stopping;
};

static size_t ignore_body(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    (void)user;
    return size * count;
}

static bool set_up(struct transfer *transfer)
{
    CURL *easy = transfer->easy = curl_easy_init();
    if (easy == NULL) {
        return false;
    }
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK && /* receivers of tests are near */
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
}

static void set_headers(struct transfer *transfer)
{
    static char json[] = "Content-Type: application/json";
    static char no_expect[] = "Expect:";
    struct curl_slist *headers = transfer->headers;
    headers[0] = (struct curl_slist){json, &headers[1]};
    headers[1] = (struct curl_slist){no_expect, NULL};
    if (transfer->letter.signature[0] != '\0') {
        memcpy(transfer->signature, HEADER_NAME, sizeof HEADER_NAME - 1);
        memcpy(transfer->signature + sizeof HEADER_NAME - 1, transfer->letter.signature, NOTICE_SIGNATURE_SIZE);
        headers[1].next = &headers[2];
        headers[2] = (struct curl_slist){transfer->signature, NULL};
    }
}

/* start: false if the letter cannot even be begun. */
static bool start(struct courier *courier, struct transfer *transfer)
{
    const struct letter *letter = &transfer->letter;
    if (letter->body.failed || (transfer->easy == NULL && !set_up(transfer))) {
        return false;
    }
    set_headers(transfer);
    return curl_easy_setopt(transfer->easy, CURLOPT_URL, letter->url) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)(letter->timeout_us / 1000)) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)letter->body.length) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, letter->body.data) == CURLE_OK &&
           curl_multi_add_handle(courier->multi, transfer->easy) == CURLM_OK;
}

/* take: the next item, or NULL; with *ret_stopping. */
static struct courier_item *take(struct courier *courier, bool *ret_stopping)
{
    (void)pthread_mutex_lock(&courier->lock);
    struct courier_item *item = courier->first;
    if (item != NULL) {
        courier->first = item->next;
        courier->last = courier->first == NULL ? NULL : courier->last;
    }
    *ret_stopping = courier->stopping;
    (void)pthread_mutex_unlock(&courier->lock);
    return item;
}

static void give_back(struct courier *courier, struct transfer *transfer, int answer)
{
    struct courier_item *item = transfer->item;
    transfer->item = NULL;
    text_clear(&transfer->letter.body);
    courier->client.done(courier->client.context, item, answer);
}

static struct transfer *find_free(struct courier *courier)
{
    size_t at = 0;
    while (at < COURIER_TRANSFERS && courier->transfers[at].item != NULL) {
        at++;
    }
    return at == COURIER_TRANSFERS ? NULL : &courier->transfers[at];
}

/* start_all: as many as there are free transfers; true if it is time to stop. */
static bool start_all(struct courier *courier)
{
    bool stopping = false;
    struct transfer *transfer;
    while (!stopping && (transfer = find_free(courier)) != NULL) {
        struct courier_item *item = take(courier, &stopping);
        if (item == NULL) {
            break;
        }
        text_init(&transfer->letter.body, NULL, 0);
        if (!courier->client.fill(courier->client.context, item, &transfer->letter)) {
            text_clear(&transfer->letter.body);
            continue;
        }
        transfer->item = item;
        if (start(courier, transfer)) {
            courier->active++;
        } else {
            give_back(courier, transfer, EVENT_BROKEN);
        }
    }
    return stopping;
}

static void finish_all(struct courier *courier)
{
    CURLMsg *message;
    int left = 0;
    while ((message = curl_multi_info_read(courier->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        char *private = NULL;
        long status = 0;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private); /* set for every handle */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        struct transfer *transfer = (struct transfer *)(void *)private;
        (void)curl_multi_remove_handle(courier->multi, transfer->easy); /* it is in there */
        courier->active--;
        give_back(courier, transfer,
                  code == CURLE_OK && status > 0     ? (int)status
                  : code == CURLE_OPERATION_TIMEDOUT ? EVENT_TIMEOUT
                                                     : EVENT_BROKEN);
    }
}

static void *run(void *argument)
{
    struct courier *courier = argument;
    while (!start_all(courier)) {
        int running = 0;
        (void)curl_multi_perform(courier->multi, &running); /* an error of one transfer shows in its result */
        size_t before = courier->active;
        finish_all(courier);
        if (courier->active == before) { /* else there are free transfers, and perhaps items for them */
            (void)curl_multi_poll(courier->multi, NULL, 0, COURIER_IDLE_MS, NULL);
        }
    }
    return NULL;
}

struct courier *courier_create(const struct courier_client *client)
{
    struct courier *courier = calloc(1, sizeof *courier);
    if (courier == NULL) {
        return NULL;
    }
    courier->client = *client;
    (void)pthread_mutex_init(&courier->lock, NULL); /* default attributes: cannot fail on Linux */
    courier->multi = curl_multi_init();
    courier->running = courier->multi != NULL && pthread_create(&courier->thread, NULL, run, courier) == 0;
    if (!courier->running) {
        courier_destroy(courier);
        return NULL;
    }
    return courier;
}

void courier_push(struct courier *courier, struct courier_item *item)
{
    (void)pthread_mutex_lock(&courier->lock);
    bool stopping = courier->stopping;
    if (!stopping) {
        item->next = NULL;
        *(courier->last == NULL ? &courier->first : &courier->last->next) = item;
        courier->last = item;
    }
    (void)pthread_mutex_unlock(&courier->lock);
    if (stopping) {
        courier->client.drop(courier->client.context, item);
    } else {
        (void)curl_multi_wakeup(courier->multi); /* fails only if it is full of wake-ups already */
    }
}

void courier_stop(struct courier *courier)
{
    (void)pthread_mutex_lock(&courier->lock);
    courier->stopping = true;
    (void)pthread_mutex_unlock(&courier->lock);
    if (courier->running) {
        (void)curl_multi_wakeup(courier->multi);
        (void)pthread_join(courier->thread, NULL);
        courier->running = false;
    }
    for (size_t i = 0; i < COURIER_TRANSFERS; i++) {
        struct transfer *transfer = &courier->transfers[i];
        if (transfer->item != NULL) {
            (void)curl_multi_remove_handle(courier->multi, transfer->easy);
            text_clear(&transfer->letter.body);
            courier->client.drop(courier->client.context, transfer->item);
            transfer->item = NULL;
        }
    }
    bool stopping = true;
    for (struct courier_item *item; (item = take(courier, &stopping)) != NULL;) {
        courier->client.drop(courier->client.context, item);
    }
}

void courier_destroy(struct courier *courier)
{
    if (courier == NULL) {
        return;
    }
    courier_stop(courier);
    for (size_t i = 0; i < COURIER_TRANSFERS; i++) {
        curl_easy_cleanup(courier->transfers[i].easy);
    }
    (void)curl_multi_cleanup(courier->multi); /* takes NULL */
    (void)pthread_mutex_destroy(&courier->lock);
    free(courier);
}
