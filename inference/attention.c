/* Attention of one new token of each row over that row's own keys and values: as much work as the row is long.

   A (row, head) is computed alone and in the order of its positions, so neighbours cannot change its rounding.
   Numbers: `half` says whether they are bfloat16 (the upper half of a float) or float. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline float widened(uint16_t upper) {
    uint32_t bits = (uint32_t)upper << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static inline uint16_t narrowed(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (number != number) return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* e to the power of a number that is not positive, to 2 units in the last place (Cephes, expf); unlike the library's,
   a compiler can carry it out for many numbers at a time. */
static inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    float n = floorf(x * 1.44269504f + 0.5f), r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return (p * r * r + r + 1) * power;
}

/* For the usual head sizes the loops are made for that size, so that sums stay in registers. */
#define FOR_SIZE(NAME, ...)                                                                                          \
    switch (size) {                                                                                                  \
    case 64: NAME(__VA_ARGS__, 64, scale); break;                                                                    \
    case 128: NAME(__VA_ARGS__, 128, scale); break;                                                                  \
    default: NAME(__VA_ARGS__, size, scale);                                                                         \
    }

#define ATTEND(NAME, TYPE, READ, WRITE)                                                                              \
    static inline __attribute__((always_inline)) void NAME(                                                          \
        const TYPE *query, const TYPE *keys, const TYPE *values, TYPE *out, float *scores, int64_t first, int64_t end,\
        int64_t size, float scale) {                                                                                 \
        float wide[size], sum[size], most = -INFINITY, total = 0;                                                    \
        for (int64_t d = 0; d < size; d++) wide[d] = READ(query[d]) * scale, sum[d] = 0;                             \
        for (int64_t j = first; j < end; j++) {                                                                      \
            const TYPE *key = keys + j * size;                                                                       \
            float score = 0;                                                                                         \
            for (int64_t d = 0; d < size; d++) score += wide[d] * READ(key[d]);                                      \
            scores[j - first] = score;                                                                               \
            most = score > most || score != score ? score : most;                                                    \
        }                                                                                                            \
        for (int64_t j = 0; j < end - first; j++) total += scores[j] = exponential(scores[j] - most);                \
        for (int64_t j = first; j < end; j++) {                                                                      \
            const TYPE *value = values + j * size;                                                                   \
            float weight = scores[j - first] / total;                                                                \
            for (int64_t d = 0; d < size; d++) sum[d] += weight * READ(value[d]);                                    \
        }                                                                                                            \
        for (int64_t d = 0; d < size; d++) out[d] = WRITE(sum[d]);                                                   \
    }

#define SAME(number) (number)
ATTEND(attend_half, uint16_t, widened, narrowed)
ATTEND(attend_full, float, SAME, SAME)

/* query, out [rows, heads, size]; key, value [rows, kv_heads, size] are written to positions[r] of slots[r] in keys, values
   [slots, kv_heads, context, size]. The row sees the last `window` positions up to there, or all where `window` is 0. */
void attend(const void *query, const char *key, const char *value, char *keys, char *values, void *out,
            const int64_t *slots, const int64_t *positions, int64_t rows, int64_t heads, int64_t kv_heads,
            int64_t context, int64_t size, int64_t window, float scale, int half) {
    int64_t bytes = size * (half ? 2 : 4);
#pragma omp parallel
    {
        float *scores = malloc(context * sizeof(float));
#pragma omp for
        for (int64_t pair = 0; pair < rows * kv_heads; pair++) {
            int64_t row = pair / kv_heads, head = pair % kv_heads;
            int64_t place = ((slots[row] * kv_heads + head) * context + positions[row]) * bytes;
            memcpy(keys + place, key + pair * bytes, bytes);
            memcpy(values + place, value + pair * bytes, bytes);
        }
#pragma omp for schedule(dynamic, 4)
        for (int64_t pair = 0; pair < rows * heads; pair++) {
            int64_t row = pair / heads, head = pair % heads;
            int64_t end = positions[row] + 1, first = window && end > window ? end - window : 0;
            int64_t held = (slots[row] * kv_heads + head / (heads / kv_heads)) * context * size, own = pair * size;
            if (half) {
                FOR_SIZE(attend_half, (const uint16_t *)query + own, (const uint16_t *)keys + held,
                         (const uint16_t *)values + held, (uint16_t *)out + own, scores, first, end)
            } else {
                FOR_SIZE(attend_full, (const float *)query + own, (const float *)keys + held,
                         (const float *)values + held, (float *)out + own, scores, first, end)
            }
        }
        free(scores);
    }
}
