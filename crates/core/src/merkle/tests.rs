use aws_lc_rs::digest::{Context, SHA256};
use proptest::prelude::*;

use super::*;

fn sha(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// MTH(D[n]), word for word as RFC 6962, 2.1 defines it.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            sha(&[&[1], &naive_root(left), &naive_root(right)])
        }
    }
}

fn naive_split(size: usize) -> usize {
    let mut split = 1;
    while split * 2 < size {
        split *= 2;
    }
    split
}

/// PATH(m, D[n]), word for word as RFC 6962, 2.1.1 defines it.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    let (mut path, other) = match index.checked_sub(left.len()) {
        None => (naive_path(index, left), right),
        Some(index) => (naive_path(index, right), left),
    };
    path.push(naive_root(other));
    path
}

/// SUBPROOF(m, D[n], b), word for word as RFC 6962, 2.1.2 defines it.
fn naive_subproof(old: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return match is_whole {
            true => Vec::new(),
            false => vec![naive_root(leaves)],
        };
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    match old.checked_sub(left.len()) {
        None | Some(0) => {
            let mut proof = naive_subproof(old, left, is_whole);
            proof.push(naive_root(right));
            proof
        }
        Some(old) => {
            let mut proof = naive_subproof(old, right, false);
            proof.push(naive_root(left));
            proof
        }
    }
}

/// A tree with all of its tiles.
struct Grown {
    leaves: Vec<Hash>,
    tree: Tree,
    filled: Vec<Tile>,
}

impl Grown {
    fn of(leaves: Vec<Hash>) -> Self {
        let (mut tree, mut filled) = (Tree::default(), Vec::new());
        leaves.iter().for_each(|leaf| tree.push(sha, *leaf, &mut filled));
        Self { leaves, tree, filled }
    }

    fn numbered(size: u64) -> Self {
        Self::of(
            (0..size)
                .map(|number| leaf_hash(sha, &number.to_be_bytes()))
                .collect(),
        )
    }

    fn hash(&self, node: Node) -> Hash {
        let (level, index) = node.tile();
        let edge: Vec<Tile> = self.tree.edge().collect();
        let tile = self
            .filled
            .iter()
            .chain(&edge)
            .find(|tile| (tile.level, tile.index) == (level, index))
            .unwrap();
        node.hash_in(sha, &tile.hashes).unwrap()
    }

    fn steps(&self, steps: &[Vec<Node>]) -> Vec<Hash> {
        let step = |nodes: &Vec<Node>| {
            let hashes: Vec<Hash> = nodes.iter().map(|node| self.hash(*node)).collect();
            join(sha, &hashes)
        };
        steps.iter().map(step).collect()
    }

    fn root_of(&self, size: u64) -> Hash {
        self.steps(&[root_nodes(size)])[0]
    }
}

#[test]
fn the_known_answers_of_certificate_transparency() {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let (mut tree, mut filled) = (Tree::default(), Vec::new());
    assert_eq!(tree.root(sha).to_vec(), hex(roots[0]));
    for (leaf, root) in leaves.iter().zip(&roots[1..]) {
        tree.push(sha, leaf_hash(sha, &hex(leaf)), &mut filled);
        assert_eq!(tree.root(sha).to_vec(), hex(root), "{} leaves", tree.size());
    }
}

#[test]
fn every_proof_of_small_trees_is_that_of_the_definition_and_verifies() {
    for size in 0..=70_usize {
        let grown = Grown::numbered(size as u64);
        let root = naive_root(&grown.leaves);
        assert_eq!(grown.tree.root(sha), root);
        assert_eq!(grown.root_of(size as u64), root);
        for (index, leaf) in grown.leaves.iter().enumerate() {
            let (at, total) = (index as u64, size as u64);
            let proof = grown.steps(&inclusion_nodes(at, total).unwrap());
            assert_eq!(proof, naive_path(index, &grown.leaves), "{index} of {size}");
            assert!(verify_inclusion(sha, leaf, at, total, &proof, &root));
            assert!(!verify_inclusion(sha, leaf, at + 1, total, &proof, &root));
        }
        assert_eq!(inclusion_nodes(size as u64, size as u64), None);
        for old in 0..=size {
            let old_root = naive_root(&grown.leaves[..old]);
            let proof = grown.steps(&consistency_nodes(old as u64, size as u64).unwrap());
            if old > 0 {
                assert_eq!(proof, naive_subproof(old, &grown.leaves, true), "{old} to {size}");
            }
            assert!(verify_consistency(
                sha,
                (old as u64, &old_root),
                (size as u64, &root),
                &proof
            ));
        }
        assert_eq!(consistency_nodes(size as u64 + 1, size as u64), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn large_trees_are_those_of_the_definition(size in 1_u64..1500, at in any::<prop::sample::Index>(), old in any::<prop::sample::Index>()) {
        let grown = Grown::numbered(size);
        let root = naive_root(&grown.leaves);
        prop_assert_eq!(grown.tree.root(sha), root);
        let index = at.index(grown.leaves.len());
        let proof = grown.steps(&inclusion_nodes(index as u64, size).unwrap());
        prop_assert_eq!(&proof, &naive_path(index, &grown.leaves));
        prop_assert!(verify_inclusion(sha, &grown.leaves[index], index as u64, size, &proof, &root));
        let old = old.index(grown.leaves.len()) + 1;
        let old_root = naive_root(&grown.leaves[..old]);
        prop_assert_eq!(grown.root_of(old as u64), old_root);
        let proof = grown.steps(&consistency_nodes(old as u64, size).unwrap());
        prop_assert_eq!(&proof, &naive_subproof(old, &grown.leaves, true));
        prop_assert!(verify_consistency(sha, (old as u64, &old_root), (size, &root), &proof));
    }

    #[test]
    fn no_changed_proof_verifies(size in 2_u64..300, at in any::<prop::sample::Index>(), what in 0_usize..6, bit in any::<prop::sample::Index>()) {
        let grown = Grown::numbered(size);
        let root = naive_root(&grown.leaves);
        let index = at.index(grown.leaves.len());
        let mut proof = grown.steps(&inclusion_nodes(index as u64, size).unwrap());
        let (mut leaf, mut root_said, mut index, mut size_said) = (grown.leaves[index], root, index as u64, size);
        match what {
            0 => { let at = bit.index(proof.len()); proof[at][0] ^= 1; }
            1 => leaf[bit.index(32)] ^= 1,
            2 => root_said[bit.index(32)] ^= 1,
            3 => { proof.remove(bit.index(proof.len())); }
            4 => proof.push([0; 32]),
            _ => { index = (index + 1 + bit.index(grown.leaves.len() - 1) as u64) % size; size_said = size; }
        }
        prop_assert!(!verify_inclusion(sha, &leaf, index, size_said, &proof, &root_said));
    }

    #[test]
    fn no_changed_consistency_verifies(size in 3_u64..300, old in any::<prop::sample::Index>(), what in 0_usize..5, bit in any::<prop::sample::Index>()) {
        let grown = Grown::numbered(size);
        let mut root = naive_root(&grown.leaves);
        let old = 1 + old.index(grown.leaves.len() - 1);
        let mut old_root = naive_root(&grown.leaves[..old]);
        let mut proof = grown.steps(&consistency_nodes(old as u64, size).unwrap());
        match what {
            0 => { let at = bit.index(proof.len()); proof[at][31] ^= 0x80; }
            1 => old_root[bit.index(32)] ^= 1,
            2 => root[bit.index(32)] ^= 1,
            3 => { proof.remove(bit.index(proof.len())); }
            _ => proof.push([0; 32]),
        }
        prop_assert!(!verify_consistency(sha, (old as u64, &old_root), (size, &root), &proof));
    }

    #[test]
    fn a_tree_goes_on_from_its_edge(size in 0_u64..1200, more in 0_u64..600) {
        let all = Grown::numbered(size + more);
        let mut edge = vec![Vec::new(); Tree::levels(size)];
        for tile in Grown::numbered(size).tree.edge() {
            edge[tile.level as usize] = tile.hashes;
        }
        let mut tree = Tree::of(size, edge.clone()).unwrap();
        let mut filled = Vec::new();
        let first = usize::try_from(size).unwrap();
        all.leaves[first..].iter().for_each(|leaf| tree.push(sha, *leaf, &mut filled));
        // A level that came to be full is empty, and may be written or not.
        prop_assert_eq!(tree.root(sha), all.tree.root(sha));
        prop_assert_eq!(tree.edge().collect::<Vec<_>>(), all.tree.edge().collect::<Vec<_>>());
        prop_assert!(Tree::of(size + 1, edge.clone()).is_none());
        edge.push(Vec::new());
        prop_assert!(Tree::of(size, edge).is_none());
    }
}
