//! Strings that end in a later piece: their bytes leave, or go, as they come.

use super::error::Error;
use super::redactor::{Redactor, Stream};
use super::summary::Deed;
use super::tag::LONGEST;
use crate::json::Token;

impl Redactor {
    /// A string that goes on in the next piece: if what becomes of it can be said, what is there of it leaves or goes.
    pub(super) fn pause_in_string(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        let (start, at) = (self.lexer.start(), self.lexer.at());
        match self.streamed {
            Some(true) => self.draft.keep(at, stream.out),
            Some(false) => self.draft.discard(stream.data, self.draft.sure(), at, stream.out),
            None => {
                self.expect_scalar()?;
                if !self.noted.is_empty() {
                    // It is compared when it is whole.
                    return self.check_length(at.saturating_sub(start + 1));
                }
                if self.member.names_type {
                    return Ok(());
                }
                self.streamed = self.begin_streaming((start, at), stream)?;
            }
        }
        Ok(())
    }

    /// Judges a string of which not all is there. Answers whether it stays, or nothing where all of it has to be seen.
    fn begin_streaming(&mut self, (start, at): (usize, usize), stream: &mut Stream<'_>) -> Result<Option<bool>, Error> {
        if self.member.place.has_room_for_tag() {
            self.goes(start, at, stream);
            return Ok(Some(false));
        }
        if self.member.place.names_label() && at.saturating_sub(start + 1) <= LONGEST {
            return Ok(None);
        }
        let Some(verdict) = self.verdict_on_scalar(Token::String) else {
            let stays = !self.frames.last().is_some_and(|frame| frame.drops);
            if stays {
                self.stays(at, stream);
            } else {
                self.goes(start, at, stream);
            }
            return Ok(Some(stays));
        };
        let deed = Deed::of(verdict, self.action(verdict.rule), true);
        if !matches!(deed, Deed::Remove | Deed::Keep | Deed::Replace) && !self.takes_all(verdict.rule) {
            self.check_length(at.saturating_sub(start + 1))?;
            return Ok(None);
        }
        self.rule_on_scalar(verdict, Some(&[]), (start, at), stream)?;
        Ok(Some(deed == Deed::Keep))
    }
}
