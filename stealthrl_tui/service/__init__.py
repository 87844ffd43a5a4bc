"""What the Tinker service says. The only room that imports the SDK, and only inside a child process."""
