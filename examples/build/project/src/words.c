#include "count.h"
#include <ctype.h>

long count_words(const char *text) {
  long words = 0;
  for (int inside = 0; *text; text++) {
    if (!inside && !isspace((unsigned char)*text)) words++;
    inside = !isspace((unsigned char)*text);
  }
  return words;
}
