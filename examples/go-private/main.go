// The program that is kept private: it knows a recipe, and counts.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("Grandmother's secret: two cloves and a spoon of quince.")
	for i, argument := range os.Args[1:] {
		fmt.Printf("%d. %s\n", i+1, argument)
	}
}
