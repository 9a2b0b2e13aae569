/* forges-in-the-compiler.c -- lets the compiler say such words. */
#error ok20000visiblebonus00visible.
