// Checks a log's directory with Go's own note and tlog packages, which share no code with ours.
//
//	crosscheck check DIRECTORY QUESTIONS.json   the checkpoint, every tile and entry, and proofs
//	crosscheck sign NAME                        a note signed by Go, from the text on stdin
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type inclusion struct {
	Index int64
	Leaf  tlog.Hash
	Proof tlog.RecordProof
}

type consistency struct {
	Size  int64
	Root  tlog.Hash
	Proof tlog.TreeProof
}

type questions struct {
	Log         string   // verifier key
	Witnesses   []string // verifier keys of kind 0x04
	Inclusion   []inclusion
	Consistency []consistency
}

// cosigner verifies Ed25519 cosignatures (C2SP tlog-cosignature), which note does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("malformed cosigner key")
	}
	hash, err := hex.DecodeString(parts[1])
	if err != nil || len(hash) != 4 {
		return nil, errors.New("malformed cosigner id")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, errors.New("not an Ed25519 cosigner key")
	}
	return &cosigner{parts[0], binary.BigEndian.Uint32(hash), key[1:]}, nil
}

// store reads tiles by their C2SP paths: Go's without the height.
type store struct{ directory string }

func (s store) Height() int                         { return height }
func (s store) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (s store) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(s.directory, path(tile)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func path(tile tlog.Tile) string {
	name := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(name, "data/", "entries/", 1)
}

func check(directory, asked string) error {
	var q questions
	data, err := os.ReadFile(asked)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &q); err != nil {
		return err
	}
	tree, err := open(directory, q)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	reader := tlog.TileHashReader(tree, store{directory})
	if root, err := tlog.TreeHash(tree.N, reader); err != nil || root != tree.Hash {
		return fmt.Errorf("tiles: %v, root %v", err, root)
	}
	if err := checkEntries(directory, tree, reader); err != nil {
		return fmt.Errorf("entries: %w", err)
	}
	return checkProofs(q, tree, reader)
}

// open verifies that the log and every witness signed, and reads the tree head.
func open(directory string, q questions) (tree tlog.Tree, err error) {
	logKey, err := note.NewVerifier(q.Log)
	if err != nil {
		return tree, err
	}
	known := []note.Verifier{logKey}
	for _, vkey := range q.Witnesses {
		witness, err := newCosigner(vkey)
		if err != nil {
			return tree, err
		}
		known = append(known, witness)
	}
	data, err := os.ReadFile(filepath.Join(directory, "checkpoint"))
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	if len(opened.Sigs) != len(known) {
		return tree, fmt.Errorf("%d of %d keys signed", len(opened.Sigs), len(known))
	}
	fmt.Println(len(opened.Sigs), "signatures,", len(opened.UnverifiedSigs), "of other kinds")
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != logKey.Name() || lines[3] != "" {
		return tree, errors.New("no checkpoint of this log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

func checkEntries(directory string, tree tlog.Tree, reader tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		bundle := tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)}
		data, err := os.ReadFile(filepath.Join(directory, path(bundle)))
		if err != nil {
			return err
		}
		for index := first; index < first+width; index++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return fmt.Errorf("the bundle ends before entry %d", index)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			if err != nil {
				return err
			}
			if stored[0] != tlog.RecordHash(data[2:end]) {
				return fmt.Errorf("entry %d is another", index)
			}
			data = data[end:]
		}
		if len(data) != 0 {
			return errors.New("a bundle holds more")
		}
	}
	return nil
}

func checkProofs(q questions, tree tlog.Tree, reader tlog.HashReader) error {
	for _, asked := range q.Inclusion {
		if err := tlog.CheckRecord(asked.Proof, tree.N, tree.Hash, asked.Index, asked.Leaf); err != nil {
			return fmt.Errorf("inclusion of %d: %w", asked.Index, err)
		}
		proof, err := tlog.ProveRecord(tree.N, asked.Index, reader)
		if err != nil || fmt.Sprint(proof) != fmt.Sprint(asked.Proof) {
			return fmt.Errorf("inclusion of %d: Go proves it otherwise (%v)", asked.Index, err)
		}
	}
	for _, asked := range q.Consistency {
		if err := tlog.CheckTree(asked.Proof, tree.N, tree.Hash, asked.Size, asked.Root); err != nil {
			return fmt.Errorf("consistency with %d: %w", asked.Size, err)
		}
		proof, err := tlog.ProveTree(tree.N, asked.Size, reader)
		if err != nil || fmt.Sprint(proof) != fmt.Sprint(asked.Proof) {
			return fmt.Errorf("consistency with %d: Go proves it otherwise (%v)", asked.Size, err)
		}
	}
	fmt.Println(tree.N, "entries,", len(q.Inclusion)+len(q.Consistency), "proofs")
	return nil
}

// sign makes a key of that name and prints private key, public key and the signed note.
func sign(name string) error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s\n%s", private, public, signed)
	return nil
}

func main() {
	err := errors.New("usage: crosscheck check DIRECTORY QUESTIONS | sign NAME")
	switch {
	case len(os.Args) == 4 && os.Args[1] == "check":
		err = check(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "sign":
		err = sign(os.Args[2])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
