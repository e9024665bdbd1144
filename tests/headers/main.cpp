// SPDX-License-Identifier: MIT
// Links the files that include one header each; that it links is the test.

int main() { return 0; }
