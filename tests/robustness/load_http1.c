/* One request after another over a connection that is kept, in the clear or over TLS. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { ANSWER_MAX = 65536 };

/* The length of the head that begins DATA, with its empty line; 0 if it is not whole. */
static size_t head_len(const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - data) + 4;
}

/* Every answer has a length here: the container's own, and Homerun's pages. -1 without. */
static long content_length(const char *head)
{
    const char *found = strcasestr(head, "\r\ncontent-length:");
    return found == NULL ? -1 : strtol(found + 17, NULL, 10);
}

/* The status, once the whole answer is read; 0 if it never is. */
static int answer_read(struct connection *connection)
{
    static _Thread_local char data[ANSWER_MAX + 1];
    size_t len = 0, head = 0;
    long body = 0;
    for (;;) {
        int got = connection_receive(connection, data + len, (int)(ANSWER_MAX - len));
        if (got <= 0) {
            return 0;
        }
        len += (size_t)got;
        data[len] = '\0';
        if (head == 0 && (head = head_len(data, len)) > 0) {
            data[head - 1] = '\0';
            body = content_length(data);
            if (body < 0 || head + (size_t)body > ANSWER_MAX) {
                return 0;
            }
        }
        if (head > 0 && len >= head + (size_t)body) {
            return len == head + (size_t)body ? atoi(data + strlen("HTTP/1.1 ")) : 0;
        }
    }
}

static struct record ask(struct connection *connection, unsigned number)
{
    const struct target *target = &connection->load->targets[number];
    struct record record = {
        .sent_ns = now_ns(), .target = (uint16_t)number, .connection = (uint8_t)connection->number};
    if (connection_send(connection, target->request, (size_t)target->request_len)) {
        record.status = (uint16_t)answer_read(connection);
    }
    record.answered_ns = now_ns();
    record.outcome = record.status != 0 ? OUTCOME_ANSWERED : OUTCOME_CUT;
    return record;
}

void *run_http1(void *arg)
{
    struct connection *connection = arg;
    connection_open(connection);
    while (!atomic_load_explicit(&connection->load->stop, memory_order_relaxed)) {
        struct record record = ask(connection, target_pick(connection));
        history_add(connection, &record);
        while (record.status == 0 &&
               !(connection->load->patient &&
                 atomic_load_explicit(&connection->load->stop, memory_order_relaxed))) {
            connection_close(connection);
            connection_open(connection);
            record = ask(connection, record.target);
            record.outcome = record.status != 0 ? OUTCOME_RETRIED : OUTCOME_LOST;
            history_add(connection, &record);
        }
    }
    connection_close(connection);
    return NULL;
}
