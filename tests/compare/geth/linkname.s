// Functions that are linked by name have no body, which Go allows where there is a file like this one.
