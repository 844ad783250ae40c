//! What the board has to tell whoever reads its log.

use ovzha_core::id::NodeId;
use ovzha_core::witness::WitnessNotice;

/// One line of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Of the witness.
    Witness(WitnessNotice),
    /// A relay was energised, or fell back.
    Relay {
        /// Whose.
        node: NodeId,
        /// The node has no power now.
        cut: bool,
    },
    /// A node's power, as its input shows it, changed.
    Sensed {
        /// Whose.
        node: NodeId,
        /// It has none.
        off: bool,
    },
    /// A node is heard whose input says that it has no power: its wire is torn.
    SenseLies(NodeId),
    /// The witness wanted a cut while the other relay is energised.
    CutRefused(NodeId),
    /// An admin's order was carried out, or begun.
    Order(&'static str),
    /// It was refused.
    OrderRefused(&'static str),
}
