/* A language model of one hidden layer, and a step of training it: embedding, ReLU, softmax over the
 * symbols, mean cross-entropy in nats, gradients clipped by their norm, SGD with momentum. */
#include <math.h>
#include <string.h>

enum { SYMBOLS = 32, WIDTH = 32, HIDDEN = 96, BATCH = 128 };

#define CLIP 0.2f
#define MOMENTUM 0.9f

struct parameters {
    float embedding[SYMBOLS][WIDTH];
    float w1[WIDTH][HIDDEN], b1[HIDDEN];
    float w2[HIDDEN][SYMBOLS], b2[SYMBOLS];
};

static struct parameters gradient;
static float hidden[BATCH][HIDDEN], out[BATCH][SYMBOLS], d_hidden[BATCH][HIDDEN];

/* out = ln p of every symbol after each of n symbols. */
static void forward(const struct parameters *p, const int *x, int n) {
    for (int i = 0; i < n; i++) {
        for (int h = 0; h < HIDDEN; h++) {
            float sum = p->b1[h];
            for (int d = 0; d < WIDTH; d++)
                sum += p->embedding[x[i]][d] * p->w1[d][h];
            hidden[i][h] = fmaxf(sum, 0.0f);
        }
        for (int s = 0; s < SYMBOLS; s++) {
            float sum = p->b2[s];
            for (int h = 0; h < HIDDEN; h++)
                sum += hidden[i][h] * p->w2[h][s];
            out[i][s] = sum;
        }
        float most = out[i][0], total = 0.0f;
        for (int s = 1; s < SYMBOLS; s++)
            most = fmaxf(most, out[i][s]);
        for (int s = 0; s < SYMBOLS; s++)
            total += expf(out[i][s] - most);
        for (int s = 0; s < SYMBOLS; s++)
            out[i][s] -= most + logf(total);
    }
}

/* The gradient of the mean of -ln p of the symbols that came. */
static void backward(const struct parameters *p, const int *x, const int *y) {
    memset(&gradient, 0, sizeof gradient);
    for (int i = 0; i < BATCH; i++)
        for (int s = 0; s < SYMBOLS; s++)
            out[i][s] = (expf(out[i][s]) - (s == y[i])) / BATCH;
    for (int s = 0; s < SYMBOLS; s++)
        for (int i = 0; i < BATCH; i++)
            gradient.b2[s] += out[i][s];
    for (int h = 0; h < HIDDEN; h++)
        for (int s = 0; s < SYMBOLS; s++)
            for (int i = 0; i < BATCH; i++)
                gradient.w2[h][s] += hidden[i][h] * out[i][s];
    for (int i = 0; i < BATCH; i++)
        for (int h = 0; h < HIDDEN; h++) {
            float sum = 0.0f;
            for (int s = 0; s < SYMBOLS; s++)
                sum += out[i][s] * p->w2[h][s];
            d_hidden[i][h] = hidden[i][h] > 0.0f ? sum : 0.0f;
        }
    for (int h = 0; h < HIDDEN; h++)
        for (int i = 0; i < BATCH; i++)
            gradient.b1[h] += d_hidden[i][h];
    for (int d = 0; d < WIDTH; d++)
        for (int h = 0; h < HIDDEN; h++)
            for (int i = 0; i < BATCH; i++)
                gradient.w1[d][h] += p->embedding[x[i]][d] * d_hidden[i][h];
    for (int i = 0; i < BATCH; i++)
        for (int d = 0; d < WIDTH; d++)
            for (int h = 0; h < HIDDEN; h++)
                gradient.embedding[x[i]][d] += d_hidden[i][h] * p->w1[d][h];
}

static void update(struct parameters *p, struct parameters *momentum, float rate) {
    float *weights = (float *)p, *moments = (float *)momentum, *g = (float *)&gradient;
    const int count = sizeof gradient / sizeof(float);
    double squares = 0.0;
    for (int i = 0; i < count; i++)
        squares += (double)g[i] * g[i];
    float norm = (float)sqrt(squares), scale = norm > CLIP ? CLIP / norm : 1.0f;
    for (int i = 0; i < count; i++) {
        moments[i] = MOMENTUM * moments[i] + scale * g[i];
        weights[i] -= rate * moments[i];
    }
}

/* One step on BATCH symbols x and what follows them, y; returns the loss before it. */
float step(struct parameters *p, struct parameters *momentum, const int *x, const int *y,
           float rate) {
    double loss = 0.0;
    forward(p, x, BATCH);
    for (int i = 0; i < BATCH; i++)
        loss -= out[i][y[i]];
    backward(p, x, y);
    update(p, momentum, rate);
    return (float)(loss / BATCH);
}

/* ln p of every symbol after `symbol`. */
void expect(const struct parameters *p, int symbol, float *log_p) {
    forward(p, &symbol, 1);
    memcpy(log_p, out[0], sizeof out[0]);
}
