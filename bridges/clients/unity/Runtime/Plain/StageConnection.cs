using System;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Corybant
{
    /// <summary>Keeps a connection to ws://HOST:PORT/ws in a thread and comes back by itself. Everything that it hands out
    /// is safe to use from the main thread.</summary>
    public sealed class StageConnection : IDisposable
    {
        const double SilenceS = 3; // there are 60 poses a second, always: silence means that the show is gone
        const int MaxMessageBytes = 1 << 20;
        static readonly double TicksPerS = Stopwatch.Frequency;

        readonly Uri _uri;
        readonly Receiver _receiver;
        readonly object _lock = new object();
        readonly CancellationTokenSource _stop = new CancellationTokenSource();
        readonly Backoff _backoff = new Backoff();
        double _heardS;

        /// <summary>Called in the connection's thread for every pose that arrives; for recorders and tests.</summary>
        public event Action<Frame> Heard;
        public int Connects { get; private set; }

        public StageConnection(string url, double delayS)
        {
            _uri = new Uri(url);
            _receiver = new Receiver(delayS);
        }

        public void Start() { Task.Run(() => Run()); }

        public void Dispose() { _stop.Cancel(); }

        /// <summary>Local time [s] of the clock that arrivals are told by.</summary>
        public static double NowS { get { return Stopwatch.GetTimestamp() / TicksPerS; } }

        /// <summary>What to show now, the body it is of, and how often that body has changed; null before the first pose.</summary>
        public Frame Shown(out Skeleton skeleton, out int skeletons)
        {
            lock (_lock)
            {
                skeleton = _receiver.Skeleton;
                skeletons = _receiver.Skeletons;
                return _receiver.Buffer.At(NowS);
            }
        }

        async Task Run()
        {
            while (!_stop.IsCancellationRequested)
            {
                try { await Listen().ConfigureAwait(false); }
                catch (Exception error) when (!(error is OutOfMemoryException)) { } // gone, silent or no stage: try again
                try { await Task.Delay(TimeSpan.FromSeconds(_backoff.NextS()), _stop.Token).ConfigureAwait(false); }
                catch (OperationCanceledException) { return; }
            }
        }

        async Task Listen()
        {
            using (var socket = new ClientWebSocket())
            {
                _heardS = NowS;
                // Beside every wait, not as its cancellation: Mono's cancelled receive may never come back.
                Task silence = Silence();
                if (!await Before(silence, socket.ConnectAsync(_uri, _stop.Token)).ConfigureAwait(false)) return;
                Connects++;
                var message = new byte[1 << 16];
                while (true)
                {
                    int length = 0;
                    WebSocketReceiveResult part;
                    do
                    {
                        if (length == message.Length) Array.Resize(ref message, message.Length * 2);
                        var room = new ArraySegment<byte>(message, length, message.Length - length);
                        Task<WebSocketReceiveResult> receive = socket.ReceiveAsync(room, CancellationToken.None);
                        if (!await Before(silence, receive).ConfigureAwait(false)) return;
                        part = receive.Result;
                        length += part.Count;
                        if (part.MessageType == WebSocketMessageType.Close || length > MaxMessageBytes) return;
                    } while (!part.EndOfMessage);
                    if (Take(message, length, part.MessageType)) _heardS = NowS;
                }
            }
        }

        /// <summary>Ends when no pose has come for a while, or when we are told to stop.</summary>
        async Task Silence()
        {
            while (NowS - _heardS < SilenceS && !_stop.IsCancellationRequested) await Task.Delay(200).ConfigureAwait(false);
        }

        /// <summary>Whether the work ended before the silence began. What the work threw is thrown here.</summary>
        static async Task<bool> Before(Task silence, Task work)
        {
            if (await Task.WhenAny(work, silence).ConfigureAwait(false) == work)
            {
                await work.ConfigureAwait(false);
                return true;
            }
            Forget(work);
            return false;
        }

        /// <summary>Look at what a task left alone may throw later; else it counts as unobserved.</summary>
        static void Forget(Task work)
        {
            work.ContinueWith(late => late.Exception, TaskContinuationOptions.OnlyOnFaulted);
        }

        bool Take(byte[] message, int length, WebSocketMessageType type)
        {
            Frame frame;
            lock (_lock)
            {
                if (type == WebSocketMessageType.Text)
                {
                    _receiver.Text(Encoding.UTF8.GetString(message, 0, length));
                    return false;
                }
                frame = _receiver.Binary(message, length, NowS);
            }
            if (frame == null) return false;
            _backoff.Reset();
            Heard?.Invoke(frame);
            return true;
        }
    }
}
