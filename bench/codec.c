/*
 * What the gRPC codec costs for a Service of about 800 bytes, in each direction.
 *
 * Usage: bench-codec [COUNT]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec/codec.h"
#include "grpc/message.h"

static const char document[] =
    "{\"name\":\"projects/demo-project/locations/us-central1/services/storefront\",\"uid\":"
    "\"0b8e1a3c-4f5d-4e6f-8a9b-0c1d2e3f4a5b\",\"generation\":\"7\",\"labels\":{\"team\":\"shop\","
    "\"env\":\"production\"},\"annotations\":{\"owner\":\"storefront@example.com\"},\"createTime\":"
    "\"2026-01-02T03:04:05.678901Z\",\"updateTime\":\"2026-02-03T04:05:06.789012Z\",\"creator\":"
    "\"deployer@example.com\",\"lastModifier\":\"deployer@example.com\",\"ingress\":"
    "\"INGRESS_TRAFFIC_ALL\",\"launchStage\":\"GA\",\"template\":{\"scaling\":{"
    "\"minInstanceCount\":"
    "1,\"maxInstanceCount\":20},\"timeout\":\"300s\",\"serviceAccount\":"
    "\"storefront@demo-project.iam.gserviceaccount.com\",\"containers\":[{\"image\":"
    "\"us-docker.pkg.dev/demo-project/shop/storefront:1.4\",\"env\":[{\"name\":\"DB_HOST\","
    "\"value\":\"10.1.2.3\"},{\"name\":\"LOG_LEVEL\",\"value\":\"info\"},"
    "{\"name\":\"PAYMENT_ENDPOINT\",\"value\":\"https://payments.example.com/v2/"
    "charges\"},{\"name\":"
    "\"CACHE_URL\",\"value\":\"redis://10.1.2.4:6379/0\"},{\"name\":\"FEATURES\",\"value\":"
    "\"new-checkout,quick-search,gift-cards\"}],\"resources\":{\"limits\":"
    "{\"cpu\":\"1\",\"memory\":\"512Mi\"},\"cpuIdle\":true},\"ports\":[{\"name\":\"http1\","
    "\"containerPort\":8080}]}],\"maxInstanceRequestConcurrency\":80},\"traffic\":[{\"type\":"
    "\"TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST\",\"percent\":100}],\"observedGeneration\":\"7\","
    "\"terminalCondition\":{\"type\":\"Ready\",\"state\":\"CONDITION_SUCCEEDED\","
    "\"lastTransitionTime\":\"2026-02-03T04:05:09.789012Z\"},\"latestReadyRevision\":"
    "\"projects/demo-project/locations/us-central1/services/storefront/revisions/"
    "storefront-00007-abc\""
    ",\"uri\":\"https://"
    "storefront-abcdefghij-uc.a.run.app\",\"etag\":\"\\\"CMWt-MoGEMj3kZYC\\\"\"}";

static int64_t spent_ns(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * 1000000000 + spent.tv_nsec;
}

/* Each is a function of its own, so that callgrind can count its instructions alone
 * (--toggle-collect=run_read). What was made is given back as well. */
#define COUNTED __attribute__((noinline, noclone))

COUNTED static void run_read(const struct proto_message *type, struct slice bytes, int count)
{
    int64_t start = spent_ns();
    for (int i = 0; i < count; i++) {
        json_decref(proto_read(type, bytes, NULL));
    }
    printf("read   %5zu bytes %8.0f ns\n", bytes.len, (double)(spent_ns() - start) / count);
}

COUNTED static void run_write(const struct proto_message *type, const json_t *value, int count)
{
    int64_t start = spent_ns();
    for (int i = 0; i < count; i++) {
        struct buffer out = BUFFER_INIT(1 << 20);
        const char *unknown;
        proto_write(type, value, &out, &unknown, NULL);
        buffer_done(&out);
    }
    printf("write              %8.0f ns\n", (double)(spent_ns() - start) / count);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct buffer bytes = BUFFER_INIT(1 << 20);
    const char *unknown;
    int count = argc > 1 ? atoi(argv[1]) : 100000;
    const struct proto_message *type = proto_message_find(SLICE("google.cloud.run.v2.Service"));
    auto_json *value = json_read(SLICE(document), &err);
    if (value == NULL || !proto_write(type, value, &bytes, &unknown, &err)) {
        fprintf(stderr, "bench-codec: %s\n", err.text);
        return 1;
    }
    run_read(type, buffer_slice(&bytes), count);
    run_write(type, value, count);
    buffer_done(&bytes);
    return 0;
}
