/* compiler-bomb.c -- asks the compiler for time and memory without end. */
#define BYTE 1,
#define X(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__
#define TEN(...) X(__VA_ARGS__) X(__VA_ARGS__)
#define MANY(...) TEN(TEN(TEN(TEN(TEN(TEN(TEN(TEN(__VA_ARGS__))))))))

static const char bomb[] = {MANY(BYTE)};

int main(void)
{
    return bomb[0];
}
