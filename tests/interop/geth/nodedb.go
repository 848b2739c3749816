package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// Node databases: geth's own package writes them and reads them, strictly where goleveldb would otherwise mend.

func nodeDatabaseTrials() []trial {
	return []trial{
		{"a node database that geth wrote opens here with all its nodes", gethWritesDatabase},
		{"a node database that we wrote opens in geth with all its nodes", weWriteDatabase},
		{"a node database goes from geth to us to geth and nothing is lost", databaseAndBack},
		{"after each of 200 kill -9 geth opens our database and finds all that was acknowledged", killedDatabase},
	}
}

// remembered is what a database holds of one node.
type remembered struct {
	Node  string `json:"node"` // enr: or enode:
	Id    string `json:"id"`   // hex
	Ip    string `json:"ip"`
	Rlp   string `json:"record"` // hex
	Ping  int64  `json:"ping"`
	Pong  int64  `json:"pong"`
	Fails int    `json:"fails"`
	n     *enode.Node
}

// someNodes makes nodes whose numbers begin at from, every second one signed, IPv4 and IPv6.
func someNodes(from, count int, now time.Time) []remembered {
	var nodes []remembered
	for i := from; i < from+count; i++ {
		seed := sha256.Sum256([]byte(fmt.Sprintf("node %d", i)))
		key, err := crypto.ToECDSA(seed[:])
		if err != nil {
			fail("%v", err)
		}
		ip := net.IPv4(20, byte(i>>8), byte(i), 1)
		if i%5 == 0 {
			ip = net.ParseIP(fmt.Sprintf("2a00:1::%x", i+1))
		}
		n := enode.NewV4(&key.PublicKey, ip, 30303+i%7, 30303)
		if i%2 == 0 {
			var r enr.Record
			r.SetSeq(uint64(1 + i*i))
			r.Set(enr.IP(ip))
			r.Set(enr.UDP(30303))
			r.Set(enr.TCP(30303 + i%7))
			if err := enode.SignV4(&r, key); err != nil {
				fail("%v", err)
			}
			if n, err = enode.New(enode.ValidSchemes, &r); err != nil {
				fail("%v", err)
			}
		}
		record, err := rlp.EncodeToBytes(n.Record())
		if err != nil {
			fail("%v", err)
		}
		seen := now.Unix() - int64(i%3600)
		nodes = append(nodes, remembered{n.String(), n.ID().String(), n.IPAddr().String(), hex.EncodeToString(record),
			seen - 3, seen, i % 4, n})
	}
	return nodes
}

func writeDatabase(folder string, nodes []remembered) error {
	db, err := enode.OpenDB(folder)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, r := range nodes {
		id, ip := r.n.ID(), r.n.IPAddr()
		for _, err := range []error{
			db.UpdateNode(r.n),
			db.UpdateLastPingReceived(id, ip, time.Unix(r.Ping, 0)),
			db.UpdateLastPongReceived(id, ip, time.Unix(r.Pong, 0)),
			db.UpdateFindFails(id, ip, r.Fails),
		} {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// verifyDatabase reads all through goleveldb at its strictest, then each node through geth's package.
func verifyDatabase(folder string, nodes []remembered) (entries int, err error) {
	strict, err := leveldb.OpenFile(folder, &opt.Options{Strict: opt.StrictAll, ErrorIfMissing: true})
	if err != nil {
		return 0, fmt.Errorf("goleveldb: %v", err)
	}
	all := strict.NewIterator(nil, nil)
	for all.Next() {
		entries++
	}
	all.Release()
	if err := all.Error(); err != nil {
		return 0, fmt.Errorf("goleveldb: %v", err)
	}
	version, err := strict.Get([]byte("version"), nil)
	if err != nil || !bytes.Equal(version, []byte{18}) {
		return 0, fmt.Errorf("version %x %v", version, err)
	}
	if err := strict.Close(); err != nil {
		return 0, err
	}
	db, err := enode.OpenDB(folder)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	for _, r := range nodes {
		id, ip := r.n.ID(), r.n.IPAddr()
		n := db.Node(id)
		if n == nil {
			return 0, fmt.Errorf("%v is missing", r.n)
		}
		record, err := rlp.EncodeToBytes(n.Record())
		if err != nil || hex.EncodeToString(record) != r.Rlp {
			return 0, fmt.Errorf("%v: record %x", r.n, record)
		}
		ping, pong, fails := db.LastPingReceived(id, ip), db.LastPongReceived(id, ip), db.FindFails(id, ip)
		if ping.Unix() != r.Ping || pong.Unix() != r.Pong || fails != r.Fails || db.NodeSeq(id) != r.n.Seq() {
			return 0, fmt.Errorf("%v: %v %v %d %d", r.n, ping, pong, fails, db.NodeSeq(id))
		}
	}
	if len(nodes) >= 100 {
		if seeds := db.QuerySeeds(30, 24*time.Hour); len(seeds) < 20 {
			return 0, fmt.Errorf("%d seeds", len(seeds))
		}
	}
	return entries, nil
}

// localSequence lets geth's local node take the number from the database and give it out again.
func localSequence(folder string) (id enode.ID, sequence uint64, err error) {
	seed := sha256.Sum256([]byte("local"))
	key, err := crypto.ToECDSA(seed[:])
	if err != nil {
		return id, 0, err
	}
	db, err := enode.OpenDB(folder)
	if err != nil {
		return id, 0, err
	}
	defer db.Close()
	local := enode.NewLocalNode(db, key)
	return local.ID(), local.Node().Seq(), nil // signed, which is when it is stored
}

// feed gives our program JSON lines.
func (t *test) feed(p *program, lines ...any) {
	for _, line := range lines {
		text, err := json.Marshal(line)
		t.check(err == nil, "%v", err)
		_, err = p.stdin.Write(append(text, '\n'))
		t.check(err == nil, "%s: %v", p.title, err)
	}
	p.stdin.Close()
}

// database runs our node database program to its end and gives what it printed.
func (t *test) database(command, folder string, lines ...any) []map[string]any {
	p := t.spawn("our node database", nodeDatabaseProgram(), command, folder)
	t.feed(p, lines...)
	t.check(p.wait(time.Minute) == 0, "node_database %s failed", command)
	return p.lines
}

func nodeDatabaseProgram() string { return os.Getenv("NODE_DATABASE") }

func (t *test) ourWrite(folder string, nodes []remembered, local enode.ID, sequence uint64) {
	lines := []any{map[string]any{"local": local.String(), "sequence": sequence}}
	for _, r := range nodes {
		lines = append(lines, r)
	}
	t.database("write", folder, lines...)
}

// weFind checks that our program reads these nodes.
func (t *test) weFind(folder string, nodes []remembered, local enode.ID, sequence uint64) {
	found := make(map[string]map[string]any)
	lines := t.database("read", folder, map[string]any{"local": local.String()})
	for _, line := range lines {
		if id, ok := line["id"].(string); ok {
			found[id] = line
		}
	}
	t.check(len(found) == len(nodes), "%d nodes, want %d", len(found), len(nodes))
	for _, r := range nodes {
		line := found[r.Id]
		t.check(line != nil, "%s is missing", r.Node)
		for key, want := range map[string]any{"record": r.Rlp, "ip": r.Ip, "ping": r.Ping, "pong": r.Pong, "fails": r.Fails} {
			t.check(fmt.Sprint(want) == plain(line[key]), "%s: %s is %v, want %v", r.Node, key, line[key], want)
		}
	}
	last := lines[len(lines)-1]
	t.check(plain(last["sequence"]) == fmt.Sprint(sequence), "sequence %v, want %d", last["sequence"], sequence)
	seeds, _ := last["seeds"].(float64)
	t.check(seeds >= 20 && seeds <= 30, "%v seeds", last["seeds"])
	t.detail = fmt.Sprintf(" (%d nodes, %v seeds)", len(found), seeds)
}

// plain is a JSON value without an exponent.
func plain(value any) string {
	if number, ok := value.(float64); ok {
		return fmt.Sprintf("%.0f", number)
	}
	return fmt.Sprint(value)
}

func gethWritesDatabase(t *test) {
	folder, nodes := filepath.Join(t.folder, "nodes"), someNodes(0, 2000, time.Now())
	t.good(writeDatabase(folder, nodes))
	local, sequence, err := localSequence(folder)
	t.good(err)
	t.weFind(folder, nodes, local, sequence)
}

func (t *test) good(err error) { t.check(err == nil, "%v", err) }

func weWriteDatabase(t *test) {
	folder, nodes := filepath.Join(t.folder, "nodes"), someNodes(0, 2000, time.Now())
	local, _, err := localSequence(filepath.Join(t.folder, "other"))
	t.good(err)
	t.ourWrite(folder, nodes, local, 77)
	entries, err := verifyDatabase(folder, nodes)
	t.good(err)
	_, sequence, err := localSequence(folder)
	t.good(err)
	// geth's local node counts on from what it finds.
	t.check(sequence >= 77 && sequence <= 79, "sequence %d", sequence)
	t.detail = fmt.Sprintf(" (%d nodes, %d entries)", len(nodes), entries)
}

func databaseAndBack(t *test) {
	folder, all := filepath.Join(t.folder, "nodes"), someNodes(0, 900, time.Now())
	t.good(writeDatabase(folder, all[:300]))
	local, sequence, err := localSequence(folder)
	t.good(err)
	t.ourWrite(folder, all[300:600], local, sequence+5)
	_, err = verifyDatabase(folder, all[:600])
	t.good(err)
	t.good(writeDatabase(folder, all[600:]))
	t.weFind(folder, all, local, sequence+5)
	_, err = verifyDatabase(folder, all)
	t.good(err)
}

// killedDatabase lets our program write and kills it, over and over. What it is to write has numbers; it prints the
// last that is durable.
func killedDatabase(t *test) {
	const kills = 200
	folder, acknowledged, idle := filepath.Join(t.folder, "nodes"), uint64(0), 0
	var opened time.Duration
	for kill := range kills {
		before := acknowledged
		last, err := hammer(folder, acknowledged+1, rand.IntN(4) > 0, time.Duration(rand.IntN(60))*time.Millisecond)
		t.good(err)
		acknowledged = max(acknowledged, last)
		if acknowledged == before {
			idle++
		}
		begun := time.Now()
		t.good(findAll(folder, acknowledged))
		opened += time.Since(begun)
		damaged, _ := filepath.Glob(folder + ".damaged-*")
		t.check(len(damaged) == 0, "kill %d: a database was set aside", kill)
	}
	t.check(idle < kills/2, "nothing was written in %d of %d runs", idle, kills)
	t.detail = fmt.Sprintf(" (%d kills, %d acknowledged, %d times killed before the first one)", kills, acknowledged, idle)
}

// hammer lets our program write from a number on, and kills it that long after its first word, or after its start.
func hammer(folder string, from uint64, begun bool, after time.Duration) (last uint64, err error) {
	command := exec.Command(nodeDatabaseProgram(), "hammer", folder, fmt.Sprint(from))
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := command.Start(); err != nil {
		return 0, err
	}
	kill := func() { command.Process.Kill() }
	lines := bufio.NewReader(output)
	if begun {
		slow := time.AfterFunc(time.Minute, kill)
		line, _ := lines.ReadString('\n')
		slow.Stop()
		fmt.Sscan(line, &last)
	}
	timer := time.AfterFunc(after, kill)
	defer timer.Stop()
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a line that was not finished was not said
			break
		}
		fmt.Sscan(line, &last)
	}
	command.Wait()
	if command.ProcessState.Exited() {
		return 0, fmt.Errorf("node_database hammer ended by itself: %v", command.ProcessState)
	}
	return last, nil
}

// findAll checks what `node_database hammer` has acknowledged: the pong of the node with each number, and our own
// record's sequence number.
func findAll(folder string, acknowledged uint64) error {
	if _, err := os.Stat(folder); err != nil && acknowledged == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(folder, "CURRENT")); err != nil && acknowledged == 0 {
		return nil
	}
	strict, err := leveldb.OpenFile(folder, &opt.Options{ErrorIfMissing: true})
	if err != nil {
		return fmt.Errorf("goleveldb, %d acknowledged: %v", acknowledged, err)
	}
	if err := strict.Close(); err != nil {
		return err
	}
	db, err := enode.OpenDB(folder)
	if err != nil {
		return err
	}
	defer db.Close()
	ip := netip.MustParseAddr("20.0.0.1")
	for number := uint64(1); number <= acknowledged; number++ {
		var id enode.ID
		binary.BigEndian.PutUint64(id[:8], number)
		if pong := db.LastPongReceived(id, ip).Unix(); pong != 1_700_000_000+int64(number) {
			return fmt.Errorf("number %d of %d is lost: %d", number, acknowledged, pong)
		}
	}
	return nil
}

// nodedb writes a database for the tests that need no Go.
func nodedb(arguments []string) {
	if len(arguments) != 1 {
		fail("usage: geth nodedb FOLDER")
	}
	nodes := someNodes(0, 60, time.Unix(1_760_000_000, 0))
	if err := writeDatabase(arguments[0], nodes); err != nil {
		fail("%v", err)
	}
	// Once more, so that some is in a table and some in a log.
	if err := writeDatabase(arguments[0], nodes[:1]); err != nil {
		fail("%v", err)
	}
	id, sequence, err := localSequence(arguments[0])
	if err != nil {
		fail("%v", err)
	}
	for _, r := range nodes {
		emit(r)
	}
	emit(map[string]any{"local": id.String(), "sequence": sequence})
}
