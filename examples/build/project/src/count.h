/* Returns the number of lines in a text, and of words. */
long count_lines(const char *text);
long count_words(const char *text);
