// SPDX-License-Identifier: MIT
// In front of a test program that runs under node: what the environment says (MOECLIP_ISA) reaches it.
Module.preRun = () => Object.assign(ENV, process.env);
