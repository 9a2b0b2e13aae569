/* compiler-bomb.c -- asks the compiler for time and memory without end. */
#define BYTE 1,
#define TEN(x) x x x x x x x x x x
#define MANY(x) TEN(TEN(TEN(TEN(TEN(TEN(TEN(TEN(x))))))))

static const char bomb[] = {MANY(BYTE)};

int main(void)
{
    return bomb[0];
}
