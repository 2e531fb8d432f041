// Command program stands for a static probe.
package main

func main() { println("probe") }
