/* Loaded into the tests' Samba only. Its Heimdal KDC looks a service up by the quoted form of its name
 * ("Microsoft\ Virtual\ System…"), so no service whose name has spaces is ever found; Windows' KDC finds it.
 * This takes the quoting of spaces back, and nothing else. */
#define _GNU_SOURCE
#include <dlfcn.h>

typedef int (*unparse_name_flags)(void *, const void *, int, char **);

int krb5_unparse_name_flags(void *context, const void *principal, int flags, char **name)
{
    static unparse_name_flags original;
    if (!original)
        original = (unparse_name_flags)dlsym(RTLD_NEXT, "krb5_unparse_name_flags");
    int result = original(context, principal, flags, name);
    if (result == 0 && *name) {
        char *from = *name, *to = *name;
        while (*from) {
            if (from[0] == '\\' && from[1] == ' ')
                from++;
            *to++ = *from++;
        }
        *to = 0;
    }
    return result;
}
