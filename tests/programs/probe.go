// A program that tells how it was started, and does a few things that are asked of it.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// Text that is looked for where the program must not be found.
const mark = "only this very program says: lantern under the stairs"

func copyLines(path, beginning string) {
	text, _ := os.ReadFile(path)
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if strings.HasPrefix(line, beginning) {
			fmt.Print(line)
		}
	}
}

func report() {
	for i, argument := range os.Args {
		fmt.Printf("argument %d: %s\n", i, argument)
	}
	for _, variable := range os.Environ() {
		fmt.Printf("variable: %s\n", variable)
	}
	// Asked one by one: a listing would have to open a descriptor itself.
	for fd := 0; fd < 64; fd++ {
		if target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
			fmt.Printf("descriptor %d: %s\n", fd, target)
		}
	}
	folder, _ := os.Getwd()
	fmt.Printf("folder: %s\n", folder)
	copyLines("/proc/self/status", "SigBlk")
	copyLines("/proc/self/status", "SigIgn")
	copyLines("/proc/self/limits", "Max")
}

// Waits for SIGTERM, as a service does.
func serve() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Printf("serving as %d\n", os.Getpid())
	<-asked
	fmt.Println("asked to end")
	os.Exit(42)
}

func main() {
	task := ""
	if len(os.Args) > 1 {
		task = os.Args[1]
	}
	switch task {
	case "report":
		report()
	case "exit":
		status, _ := strconv.Atoi(os.Args[2])
		os.Exit(status)
	case "abort":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "serve":
		serve()
	case "copy":
		io.Copy(os.Stdout, os.Stdin)
	default:
		fmt.Println(mark)
	}
}
