/* What the fetcher tells control, and the other way round: what is taken is written again as it
 * came. The first byte says which of the two. */
#include <assert.h>
#include <stdint.h>

#include "ipc/fetch_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_answer answer;
    struct fetch_ask ask;
    if (size == 0) {
        return 0;
    }
    struct buffer again = BUFFER_INIT(IPC_PACKET_MAX);
    struct slice bytes = {(const char *)data + 1, size - 1};
    bool taken;
    if (data[0] % 2 == 0) {
        taken = fetch_answer_get(bytes.data, bytes.len, &answer);
        if (taken) {
            fetch_answer_put(&again, &answer);
        }
    } else {
        taken = fetch_ask_get(bytes.data, bytes.len, &ask);
        assert(!taken || fetch_ask_put(&again, &ask));
    }
    assert(!taken || slice_equal(buffer_slice(&again), bytes));
    buffer_done(&again);
    return 0;
}
