cc -O2 -shared -fPIC -o "$1/model.so" model.c -lm
