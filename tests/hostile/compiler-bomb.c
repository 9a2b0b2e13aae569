/* compiler-bomb.c -- asks the compiler for time and memory without end. */
#define TEN(x) x x x x x x x x x x
#define MANY(x) TEN(TEN(TEN(TEN(TEN(TEN(TEN(TEN(x))))))))

static const char bomb[] = {MANY(1, )};

int main(void)
{
    return bomb[0];
}
