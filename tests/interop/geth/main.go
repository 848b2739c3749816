// The other side of the interoperability tests: an unmodified go-ethereum p2p.Server, a raw RLPx client over
// go-ethereum's own transport, and the cases that set them against our `devp2p`.
//
//	geth serve [flags]             a server on loopback; prints its enode URL and one JSON line for each event
//	geth dial [flags] ENODE        a server that dials ENODE, asks for echoes, checks each reply byte for byte
//	geth raw [flags] CASE ENODE    one deliberate oddity over RLPx, then what the other side did about it
//	geth raw --list                the oddities
//	geth nodedb FOLDER             writes a node database, and prints what is in it
//	geth network [flags]           nodes for discovery alone, which take orders and tell what they know
//	geth society [flags]           whole servers that find each other, connect and echo; they tell how it stands
//	geth database DIR [ENODE...]   what geth reads in a node database
//	geth datadir [flags] DIR       a server on a data directory, with its key and its node database
//	geth cases [flags] [PATTERN]   every case; closes with `N passed, N failed`
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "serve":
		serve(arguments)
	case "dial":
		dial(arguments)
	case "raw":
		raw(arguments)
	case "nodedb":
		nodedb(arguments)
	case "network":
		network(arguments)
	case "society":
		society(arguments)
	case "database":
		database(arguments)
	case "datadir":
		dataDirectory(arguments)
	case "cases":
		cases(arguments)
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: geth serve|dial|raw|nodedb|network|society|database|datadir|cases [flags] [arguments]")
	os.Exit(2)
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

var output sync.Mutex

// emit prints one JSON line; events come from several goroutines.
func emit(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		fail("%v", err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}
