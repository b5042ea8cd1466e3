/* A two-layer network that learns y = |x|_1 by gradient descent: a training program in plain C.
 * It speaks no protocol, so outpace times whole runs. It prints its losses, which `check.sh` reads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 64, IN = 96, HIDDEN = 192, STEPS = 60 };

static double x[BATCH][IN], y[BATCH], h[BATCH][HIDDEN], dh[BATCH][HIDDEN];
static double w[IN][HIDDEN], dw[IN][HIDDEN], v[HIDDEN];

/* A 64-bit generator (Knuth's MMIX constants), -1 to 1. */
static double uniform(void) {
    static unsigned long long state = 1;
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(state >> 11) / 4503599627370496.0 - 1.0;
}

static void batch(void) {
    for (int n = 0; n < BATCH; n++) {
        y[n] = 0.0;
        for (int i = 0; i < IN; i++) {
            x[n][i] = uniform();
            y[n] += fabs(x[n][i]) / IN;
        }
    }
}

/* h = x w: the inner loop walks down a column of w. */
static void forward(void) {
    for (int n = 0; n < BATCH; n++)
        for (int j = 0; j < HIDDEN; j++) {
            double sum = 0.0;
            for (int i = 0; i < IN; i++)
                sum += x[n][i] * w[i][j];
            h[n][j] = sum;
        }
}

/* dw = x^T dh. */
static void backward(void) {
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < HIDDEN; j++) {
            double sum = 0.0;
            for (int n = 0; n < BATCH; n++)
                sum += x[n][i] * dh[n][j];
            dw[i][j] = sum;
        }
}

static double step(double rate) {
    double loss = 0.0;
    batch();
    forward();
    for (int n = 0; n < BATCH; n++) {
        double out = 0.0;
        for (int j = 0; j < HIDDEN; j++)
            out += v[j] * fmax(h[n][j], 0.0);
        double error = out - y[n];
        loss += error * error / BATCH;
        for (int j = 0; j < HIDDEN; j++)
            dh[n][j] = h[n][j] > 0.0 ? 2.0 * error * v[j] / BATCH : 0.0;
    }
    backward();
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < HIDDEN; j++)
            w[i][j] -= rate * dw[i][j];
    return loss;
}

int main(void) {
    for (int j = 0; j < HIDDEN; j++) {
        v[j] = uniform() / HIDDEN;
        for (int i = 0; i < IN; i++)
            w[i][j] = uniform();
    }
    for (int n = 0; n < STEPS; n++)
        printf("%d %.6e\n", n, step(0.1));
    return 0;
}
