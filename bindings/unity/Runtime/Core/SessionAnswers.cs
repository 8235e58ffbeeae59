using System;

namespace HeliosWorld
{
    // What the server says to a session. All under the client's gate.
    public sealed partial class HeliosSession
    {
        private readonly ChunkAssembly answer, streamed;
        private string token;
        private bool isAnswerLost;

        /// <summary>Counts the connections that the session was on.</summary>
        internal long Attachments { get; private set; }

        /// <summary>The connection stands: open, or resume.</summary>
        internal void Attach()
        {
            if (state == Standing.Opening && current.IsActive) Send(current);
            else if (state == Standing.Detached) Resume(HeliosClock.Now);
        }

        /// <summary>The session is on no connection; it is resumed after so many seconds.</summary>
        internal void Detach(double seconds)
        {
            current.SentAt = double.NaN;
            if (state == Standing.Opening || state == Standing.Ended) return;
            state = Standing.Detached;
            resumeAt = HeliosClock.Now + seconds;
        }

        internal bool TakeOpened(OpenedMessage message, HeliosSession known)
        {
            if (state == Standing.Opening && known == null && message.Seq == current.Seq)
            {
                Adopt(message, message.NextSeq - 1);
                Finish(HeliosEventKind.Opened);
                return true;
            }
            if (state != Standing.Resuming || known != this || message.Seq != resumeSeq) return false;
            AdoptResumed(message);
            return true;
        }

        /// <summary>False if nobody waits for this fork.</summary>
        internal bool TakeFork(OpenedMessage message)
        {
            if (!IsAnswer(RequestKind.Fork, message.Seq)) return false;
            var fork = new HeliosSession(Client, Mode, Encoding);
            fork.Adopt(message, message.NextSeq - 1);
            fork.Parent = Id;
            Client.Add(fork);
            var item = new HeliosEvent { Kind = HeliosEventKind.Forked, Fork = fork };
            Finish(ref item);
            return true;
        }

        internal void TakeBye(ByeMessage message)
        {
            if (message.Reason == "replaced")
                EndLoudly("unknown_session", "the session was taken over by another connection; open one of your own");
            else if (!message.Resumable)
                EndLoudly("unknown_session", "the server has ended the session (" + message.Reason + "); open another one");
            else
                Detach(0.25);
        }

        /// <summary>An ERROR without a session: of an OPEN, or of a RESUME.</summary>
        internal bool TakeRefusal(ErrorMessage message)
        {
            bool isMine = state == Standing.Opening ? message.Seq == current.Seq
                : state == Standing.Resuming && message.Seq == resumeSeq;
            if (isMine) Refused(message);
            return isMine;
        }

        internal void Refused(ErrorMessage message)
        {
            if (state == Standing.Resuming)
            {
                if (message.Seq == resumeSeq) ResumeRefused(message);
            }
            else if (current.IsActive && message.Seq == current.Seq && !double.IsNaN(current.SentAt)) RequestRefused(message);
            else if (message.Seq == 0 && state == Standing.Attached)
            {
                if (Stream != null) Stream.OnFailed();
                EmitError(Error(message));
            }
        }

        internal void Take(ServerMessage message)
        {
            switch (message.Type)
            {
                case MessageType.Chunk:
                    TakeChunk((ChunkMessage)message);
                    break;
                case MessageType.State:
                    if (IsAnswer(RequestKind.Snapshot, message.Seq)) TakeState(message);
                    break;
                case MessageType.Done:
                    TakeDone((DoneMessage)message);
                    break;
                case MessageType.Closed:
                    if (IsAnswer(RequestKind.Close, message.Seq)) End(null);
                    break;
            }
        }

        private bool IsAnswer(RequestKind kind, long seq)
        {
            return state == Standing.Attached && current.Kind == kind && current.Seq == seq && !double.IsNaN(current.SentAt);
        }

        private void TakeChunk(ChunkMessage message)
        {
            if (message.IsForeign) Client.CountDropped();
            else if (message.Seq == 0) TakeStreamed(message);
            else if (IsAnswer(RequestKind.Reset, message.Seq) || IsAnswer(RequestKind.Step, message.Seq)) TakeAnswer(message);
        }

        private void TakeAnswer(ChunkMessage message)
        {
            double now = HeliosClock.Now;
            bool isDamaged;
            HeliosChunk chunk = answer.Add(message, now, out isDamaged);
            if (isDamaged) TakeDamaged(message);
            if (chunk == null) return;
            chunk.Session = this;
            chunk.RoundTripMs = 1000 * (now - current.SentAt);
            Epoch = message.Epoch;
            Index = message.Index + 1;
            Client.CountChunk();
            var item = new HeliosEvent { Kind = HeliosEventKind.Chunk };
            if (Mode == HeliosMode.Stream) Begun(chunk);
            else item.Chunk = chunk;
            Finish(ref item);
        }

        private void TakeDamaged(ChunkMessage message)
        {
            Client.CountDropped();
            Epoch = message.Epoch;
            Index = message.Index + 1;
            answered = current.Seq;
            Fail(new HeliosException("protocol", "the frames of chunk " + message.Index + " came damaged; the next call goes on", true));
        }

        private void TakeState(ServerMessage message)
        {
            var bytes = new byte[message.Raw.Lengths[0]];
            Buffer.BlockCopy(message.Raw.Buffers[0], 0, bytes, 0, bytes.Length);
            var item = new HeliosEvent { Kind = HeliosEventKind.Snapshot, Bytes = bytes };
            Finish(ref item);
        }

        private void TakeDone(DoneMessage message)
        {
            bool isRestore = IsAnswer(RequestKind.Restore, message.Seq);
            bool isRecord = IsAnswer(RequestKind.Record, message.Seq);
            if (!isRestore && !isRecord && !IsAnswer(RequestKind.Prompt, message.Seq)) return;
            Epoch = message.Epoch;
            Index = message.Index;
            if (isRestore) ClearArrived();
            var item = new HeliosEvent { Kind = HeliosEventKind.Prompted, Text = isRecord ? message.Path : current.Text };
            if (isRestore) item.Kind = HeliosEventKind.Restored;
            if (isRecord) item.Kind = HeliosEventKind.Recorded;
            Finish(ref item);
        }

        private void RequestRefused(ErrorMessage message)
        {
            HeliosException error = Error(message);
            RequestKind kind = current.Kind;
            string code = message.Code;
            bool isMoved = code == "route" || code == "unknown_session" || code == "draining" || code == "gap";
            if (kind == RequestKind.Close) CloseRefused(message);
            else if (kind == RequestKind.Open && code != "draining" && code != "route") End(error);
            else if (kind == RequestKind.Open || code == "busy" || (code == "limit" && kind != RequestKind.Fork)) Retry(error);
            else if (isMoved || code == "stale")
            {
                isAnswerLost = code == "stale"; // its number may be taken or not: RESUME tells
                current.Refusal = isAnswerLost ? null : error;
                Detach(Pause(current.Retries++));
            }
            else
            {
                bool isFree = code == "version" || code == "auth" || code == "protocol" || code == "too_large"
                    || code == "timeout" || code == "limit";
                if (!isFree) answered = current.Seq;
                Fail(error);
            }
        }

        private void Retry(HeliosException error)
        {
            current.Refusal = error;
            current.RetryAt = HeliosClock.Now + Pause(current.Retries++);
        }

        private static double Pause(int tries)
        {
            return Math.Min(2, 0.05 * Math.Pow(2, Math.Min(tries, 10)));
        }

        private void EndLoudly(string code, string text)
        {
            var error = new HeliosException(code, text, false);
            bool isClosing = current.Kind == RequestKind.Close; // then that is what was wanted
            bool isTold = isClosing || (current.IsActive && !current.IsOrphan) || following.IsActive;
            End(isClosing ? null : error);
            if (!isTold) EmitError(error);
        }

        private void EmitError(HeliosException error)
        {
            var item = new HeliosEvent { Kind = HeliosEventKind.Error, Session = this, Error = error };
            Client.Emit(ref item);
        }

        private static HeliosException Error(ErrorMessage message)
        {
            return new HeliosException(message.Code, message.Text, message.Retryable);
        }
    }
}
