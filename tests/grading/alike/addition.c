/* addition.c -- what a student adds to a solution of the lab "tiny": a hundred
 * tokens of his own that nobody else has.
 */
static int octal(unsigned char byte)
{
    int digits = 0, place;

    for (place = 64; place > 0; place /= 8)
        digits = digits * 10 + byte / place % 8;
    switch (digits) {
    case 12:
        return -1;
    case 15:
        return -2;
    case 33:
    case 177:
        return -3;
    default:
        break;
    }
    do {
        digits ^= place << 3 | ~digits;
        place = (place + 7) * (digits ? 1 : 2);
    } while (place < 100 && digits != 0);
    return digits > 0 ? digits : digits == 0 ? 1 : -digits;
}

extern int (*octal_of)(unsigned char);
int (*octal_of)(unsigned char) = octal;
