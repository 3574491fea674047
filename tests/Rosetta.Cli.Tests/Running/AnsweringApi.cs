using System.Net;
using System.Text;
using Rosetta.Testing.Processes;

namespace Rosetta.Cli.Tests.Running;

/// <summary>An HTTP server that gives prepared answers and remembers what it was asked.</summary>
sealed class AnsweringApi : IAsyncDisposable
{
    readonly HttpListener _listener = new();
    readonly Dictionary<string, (int Status, string Type, string Body)> _answers = [];
    readonly Dictionary<string, Queue<(int Status, string Type, string Body)>> _later = [];
    readonly List<Asked> _asked = [];
    readonly Task _serving;

    public AnsweringApi()
    {
        Address = new Uri($"http://127.0.0.1:{FreePorts.Next()}/");
        _listener.Prefixes.Add(Address.ToString());
        _listener.Start();
        _serving = ServeAsync();
    }

    public Uri Address { get; }

    public IReadOnlyList<Asked> Asked
    {
        get
        {
            lock (_asked)
                return [.. _asked];
        }
    }

    /// <summary>Another answer for the same call, once those before have been given; the last one stays.</summary>
    public AnsweringApi Then(string call, string body, int status = 200)
    {
        lock (_later)
        {
            if (!_later.TryGetValue(call, out var later))
                _later[call] = later = new Queue<(int, string, string)>();
            later.Enqueue((status, "application/json", body));
        }

        return this;
    }

    /// <param name="call">Method, path and query, e.g. <c>GET /api/v1/pipelines/1</c>.</param>
    public AnsweringApi Answer(string call, string body, int status = 200, string type = "application/json")
    {
        _answers[call] = (status, type, body);
        return this;
    }

    async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            var request = context.Request;
            using var reader = new StreamReader(request.InputStream, Encoding.UTF8);
            var call = $"{request.HttpMethod} {request.Url?.PathAndQuery}";
            lock (_asked)
                _asked.Add(new Asked(call, request.Headers["Authorization"], reader.ReadToEnd()));
            lock (_later)
            {
                if (_later.TryGetValue(call, out var later) && later.TryDequeue(out var next))
                    _answers[call] = next;
            }

            var (status, type, body) = _answers.GetValueOrDefault(
                call, (404, "application/problem+json", $$"""{"title": "Not found", "status": 404, "detail": "nothing is prepared for {{call}}"}"""));
            context.Response.StatusCode = status;
            context.Response.ContentType = type;
            await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
            context.Response.Close();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _serving;
    }
}

sealed record Asked(string Call, string? Authorization, string Body);
