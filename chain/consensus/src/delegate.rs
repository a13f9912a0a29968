//! The shape that our side of the engine has in its eyes: actors that hand each message on and never wait.

use async_trait::async_trait;
use ractor::{Actor, ActorProcessingErr, ActorRef, Message};

/// An actor without a state of its own.
pub(crate) struct Delegate<M> {
    /// Takes each message; must not block.
    pub on_message: Box<dyn Fn(M) + Send + Sync>,
    /// Called when the engine stops this actor, which it does to all its children after any failure.
    pub on_stop: Box<dyn Fn() + Send + Sync>,
}

#[async_trait]
impl<M: Message> Actor for Delegate<M> {
    type Msg = M;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<M>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<M>,
        message: M,
        _state: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        (self.on_message)(message);
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<M>, _state: &mut ()) -> Result<(), ActorProcessingErr> {
        (self.on_stop)();
        Ok(())
    }
}
