//! Votes and proposals as the engine handles them, unsigned.

use arc_malachitebft_core_types::{self as core, NilOrVal, Round, SignedExtension, VoteType};

use super::{Address, BlockId, ConcordatContext, Height};

/// A prevote or a precommit, for a block or for nil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Prevote or precommit.
    pub vote_type: VoteType,
    /// The height that is voted on.
    pub height: Height,
    /// The round that is voted in.
    pub round: Round,
    /// The block voted for, or nil.
    pub value: NilOrVal<BlockId>,
    /// Who votes.
    pub validator: Address,
}

impl core::Vote<ConcordatContext> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.vote_type
    }

    fn validator_address(&self) -> &Address {
        &self.validator
    }

    fn extension(&self) -> Option<&SignedExtension<ConcordatContext>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<ConcordatContext>> {
        None
    }

    /// Vote extensions are disabled on this chain: they would not be covered by CometBFT's sign bytes.
    fn extend(self, _extension: SignedExtension<ConcordatContext>) -> Self {
        self
    }
}

/// A proposal to decide one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The height proposed for.
    pub height: Height,
    /// The round proposed in.
    pub round: Round,
    /// The proposed block.
    pub block_id: BlockId,
    /// The round in which the block got its polka, if it is proposed again; nil otherwise.
    pub pol_round: Round,
    /// Who proposes.
    pub proposer: Address,
}

impl core::Proposal<ConcordatContext> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockId {
        &self.block_id
    }

    fn take_value(self) -> BlockId {
        self.block_id
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// The engine's own proposal parts, which this chain does not use: block parts go from the transport
/// straight to the host, past the engine's unbounded mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPart {}

impl core::ProposalPart<ConcordatContext> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}
