package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"flag"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"golang.org/x/sys/unix"
)

// rlpxBenchmark times geth's RLPx with everything counted on both sides. One thread runs it all (GOMAXPROCS is 1), so
// that the time of an operation is the sum of both ends' work, as it is for a program that has no runtime; the garbage
// collector's work is in it too. The figure is processor time, which a busy machine disturbs less than the wall clock,
// or the wall clock's where that is less: what Go's runtime does meanwhile on the other core is not held against geth.
func rlpxBenchmark(arguments []string) {
	flags := flag.NewFlagSet("rlpx", flag.ExitOnError)
	samples := flags.Int("samples", 5, "samples, of which the median counts")
	length := flags.Duration("time", 150*time.Millisecond, "least duration of a sample")
	flags.Parse(arguments)

	runtime.GOMAXPROCS(1)
	emit(map[string]any{"implementation": "go-ethereum v1.17.6", "go": runtime.Version(), "gomaxprocs": 1, "libsecp256k1": cgo})
	report := func(name string, operation func()) {
		cpu, wall, count := measure(*samples, *length, operation)
		emit(map[string]any{"name": name, "ns": min(cpu, wall), "cpu_ns": cpu, "wall_ns": wall, "samples": *samples, "operations": count})
	}
	report("handshake", handshake())
	for _, size := range []int{32, 1 << 10, 16 << 10, 1 << 20} {
		report(fmt.Sprintf("frame/%d", size), frame(size))
	}
}

// measure gives the median processor and wall time of an operation in nanoseconds, and how often it ran in all.
func measure(samples int, length time.Duration, operation func()) (cpu, wall float64, count int) {
	var cpus, walls []float64
	batch := 1
	for run := -1; run < samples; run++ { // the first only warms up
		done, beginCPU, begin := 0, processorTime(), time.Now()
		for time.Since(begin) < length {
			for range batch {
				operation()
			}
			done += batch
		}
		spentCPU, spent := processorTime()-beginCPU, time.Since(begin)
		// Ask for the time about every tenth of a millisecond.
		batch = max(1, int(float64(done)*float64(100*time.Microsecond)/float64(spent)))
		if run >= 0 {
			cpus = append(cpus, float64(spentCPU)/float64(done))
			walls = append(walls, float64(spent)/float64(done))
			count += done
		}
	}
	return median(cpus), median(walls), count
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func processorTime() time.Duration {
	var spent unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &spent); err != nil {
		fail("processor time: %v", err)
	}
	return time.Duration(spent.Nano())
}

func newKey() *ecdsa.PrivateKey {
	key, err := crypto.GenerateKey()
	if err != nil {
		fail("%v", err)
	}
	return key
}

// handshake is one encryption handshake, both sides of it: auth and ack made, sealed, opened and checked, ephemeral
// keys and nonces included, up to two connections that could send. Only the two static keys exist before.
//
// geth's handshake is a blocking call, so the recipient has a goroutine, one for all operations: on one thread that
// costs two switches, well under a microsecond.
func handshake() func() {
	initiator, recipient := newKey(), newKey()
	incoming, finished := make(chan net.Conn), make(chan error)
	go func() {
		for conn := range incoming {
			_, err := rlpx.NewConn(conn, nil).Handshake(recipient)
			finished <- err
		}
	}()
	return func() {
		a, b := newPipe()
		incoming <- b
		if _, err := rlpx.NewConn(a, &recipient.PublicKey).Handshake(initiator); err != nil {
			fail("initiator: %v", err)
		}
		if err := <-finished; err != nil {
			fail("recipient: %v", err)
		}
	}
}

// connected is a pair of connections after their handshake; without hello they do not compress.
func connected() (*rlpx.Conn, *rlpx.Conn) {
	initiator, recipient := newKey(), newKey()
	a, b := newPipe()
	from, to := rlpx.NewConn(a, &recipient.PublicKey), rlpx.NewConn(b, nil)
	finished := make(chan error)
	go func() {
		_, err := to.Handshake(recipient)
		finished <- err
	}()
	if _, err := from.Handshake(initiator); err != nil {
		fail("initiator: %v", err)
	}
	if err := <-finished; err != nil {
		fail("recipient: %v", err)
	}
	return from, to
}

// frame is one message of that many random bytes written at one end and read at the other.
func frame(size int) func() {
	from, to := connected()
	payload := make([]byte, size)
	rand.Read(payload)
	once := func() []byte {
		if _, err := from.Write(16, payload); err != nil {
			fail("write: %v", err)
		}
		code, data, _, err := to.Read()
		if err != nil || code != 16 || len(data) != size {
			fail("read: %v, code %d, %d bytes", err, code, len(data))
		}
		return data
	}
	if !bytes.Equal(once(), payload) {
		fail("frame of %d bytes came out changed", size)
	}
	return func() { once() }
}
