using System;

namespace HeliosWorld
{
    // Taking a session up again on another connection. All under the client's gate.
    public sealed partial class HeliosSession
    {
        private long resumeSeq;
        private double resumeSentAt, resumeAt;
        private int resumeTries;

        private double TickResume(double now)
        {
            if (!Client.IsWelcome) return double.PositiveInfinity;
            if (state == Standing.Detached)
            {
                if (now >= resumeAt) Resume(now);
                return Math.Max(resumeAt, now + 0.01);
            }
            double again = resumeSentAt + Client.Options.RepeatSeconds;
            if (now >= again && Client.HeardAt > resumeSentAt) Resume(now);
            return Math.Max(again, now + 0.1);
        }

        private void Resume(double now)
        {
            state = Standing.Resuming;
            resumeSeq = Client.NextNumber();
            resumeSentAt = now;
            ClientMessages.Resume(Client.Writer, Client.Out, resumeSeq, Id, token, answered);
            Client.Sent();
        }

        private void ResumeRefused(ErrorMessage message)
        {
            string code = message.Code;
            if (code == "draining" || code == "route" || code == "busy" || code == "limit") Detach(Pause(resumeTries++));
            else EndLoudly(code, "the server has lost the session (" + message.Text + "); open another one");
        }

        private void Adopt(OpenedMessage message, long last)
        {
            Id = message.Sid;
            token = message.Token;
            World = message.World;
            Epoch = message.Epoch;
            Index = message.Index;
            answered = asked = last;
            state = Standing.Attached;
            Attachments++;
            if (Mode == HeliosMode.Stream && Stream == null) Stream = new HeliosStream(this);
        }

        private void AdoptResumed(OpenedMessage message)
        {
            if (message.NextSeq > asked + 1)
            {
                EndLoudly("unknown_session", "somebody else has used the session in the meantime; open another one");
                return;
            }
            bool isBack = message.NextSeq <= answered;
            // A stream goes back without a request of ours being undone: what was shown comes again, in another way.
            bool isRewound = message.Epoch < Epoch || (message.Epoch == Epoch && message.Index < Index);
            if (isBack || isRewound || message.Epoch != Epoch) ClearArrived();
            bool isLost = isAnswerLost && current.IsActive;
            bool isNew = isBack || isLost || !current.IsActive;
            isAnswerLost = false;
            Adopt(message, isNew ? message.NextSeq - 1 : answered);
            if (!isNew) asked = Math.Max(asked, current.Seq);
            resumeTries = 0;
            Client.Resumed();
            var resumed = new HeliosEvent { Kind = HeliosEventKind.Resumed, Session = this };
            Client.Emit(ref resumed);
            if (isBack || isRewound) WentBack(message.Index, isBack);
            if (isBack) return;
            if (isLost) Fail(new HeliosException("stale", "the answer of this call is lost; the next call goes on from what the server has now", false));
            else if (current.IsActive) Send(current);
        }

        private void WentBack(long index, bool isRequestUndone)
        {
            var error = new HeliosException("stale", "the server has gone back to an older state of this session, before chunk "
                + index + "; what came after is undone there. The next call goes on from it", false);
            bool isAwaited = isRequestUndone && current.IsActive && !current.IsOrphan;
            if (!isAwaited) EmitError(error);
            if (isRequestUndone && current.IsActive) Fail(error);
        }
    }
}
