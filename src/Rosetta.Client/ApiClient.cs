using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace Rosetta.Client;

/// <summary>
/// Rosetta's REST API over HTTP. Every call gives the answer's JSON as it came; <see cref="ApiAnswer.As{T}"/> reads it as one of the
/// records of <c>Rosetta.Client.Answers</c>.
/// </summary>
public sealed class ApiClient : IDisposable
{
    /// <summary>The address of a node on this machine with default ports.</summary>
    public static readonly Uri DefaultAddress = new("http://127.0.0.1:8000");

    static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(60);

    readonly HttpClient _http;

    /// <param name="address">Scheme, host and port, e.g. <c>http://127.0.0.1:8000</c>; a path is ignored.</param>
    /// <param name="key">API key, sent as bearer token; null where the node needs none.</param>
    public ApiClient(Uri address, string? key = null, HttpMessageHandler? handler = null)
    {
        _http = handler is null ? new HttpClient() : new HttpClient(handler);
        _http.BaseAddress = new Uri(address, "/");
        _http.Timeout = DefaultTimeout;
        _http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (!string.IsNullOrEmpty(key))
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    public Uri Address => _http.BaseAddress!;

    /// <inheritdoc cref="SendAsync"/>
    public Task<ApiAnswer> GetAsync(string path, CancellationToken cancellationToken = default) =>
        SendAsync(HttpMethod.Get, path, null, cancellationToken);

    /// <inheritdoc cref="SendAsync"/>
    public Task<ApiAnswer> PostAsync(string path, object? body = null, CancellationToken cancellationToken = default) =>
        SendAsync(HttpMethod.Post, path, body, cancellationToken);

    /// <inheritdoc cref="SendAsync"/>
    public Task<ApiAnswer> PutAsync(string path, object body, CancellationToken cancellationToken = default) =>
        SendAsync(HttpMethod.Put, path, body, cancellationToken);

    /// <inheritdoc cref="SendAsync"/>
    public Task<ApiAnswer> DeleteAsync(string path, CancellationToken cancellationToken = default) =>
        SendAsync(HttpMethod.Delete, path, null, cancellationToken);

    /// <summary>Calls <c>/api/v1/</c><paramref name="path"/>, or <paramref name="path"/> itself when it starts with a slash.</summary>
    /// <exception cref="ApiException">The API refused (a problem document), or no API answered at that address.</exception>
    public async Task<ApiAnswer> SendAsync(HttpMethod method, string path, object? body, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(method, path.StartsWith('/') ? path : "/api/v1/" + path);
        if (body is not null)
            request.Content = JsonContent.Create(body, body.GetType(), options: Wire.Json);
        else if (method == HttpMethod.Post)
            request.Content = JsonContent.Create(new { });
        try
        {
            using var response = await _http.SendAsync(request, cancellationToken);
            var text = await response.Content.ReadAsStringAsync(cancellationToken);
            if (!response.IsSuccessStatusCode)
                throw ApiException.FromResponse(response, text);
            return new ApiAnswer((int)response.StatusCode, text);
        }
        catch (HttpRequestException e)
        {
            throw ApiException.Unreachable(Address, e.Message, e);
        }
        catch (TaskCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw ApiException.Unreachable(Address, $"no answer within {_http.Timeout.TotalSeconds:F0} s", e);
        }
    }

    /// <summary>The data of each server-sent event of the given path, until the node closes the stream or the token is cancelled.</summary>
    /// <exception cref="ApiException">As <see cref="SendAsync"/>.</exception>
    public async IAsyncEnumerable<ApiAnswer> EventsAsync(
        string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/" + path);
        request.Headers.Accept.Clear();
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        using var response = await OpenAsync(request, cancellationToken);
        using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var item in System.Net.ServerSentEvents.SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            if (item.Data.Length > 0)
                yield return new ApiAnswer(200, item.Data);
        }
    }

    /// <summary>The lines of an answer as they come, however many.</summary>
    /// <exception cref="ApiException">As <see cref="SendAsync"/>; or the answer was cut.</exception>
    public async IAsyncEnumerable<string> LinesAsync(
        string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/" + path);
        request.Headers.Accept.Clear();
        using var response = await OpenAsync(request, cancellationToken);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        while (await ReadLineAsync(reader, cancellationToken) is { } line)
            yield return line;
    }

    async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw ApiException.Unreachable(Address, $"the answer was cut: {e.Message}", e);
        }
    }

    async Task<HttpResponseMessage> OpenAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
                throw ApiException.FromResponse(response, await response.Content.ReadAsStringAsync(cancellationToken));
        }
        catch (HttpRequestException e)
        {
            throw ApiException.Unreachable(Address, e.Message, e);
        }
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>What the API answered. An empty body (204) is an empty text.</summary>
public sealed record ApiAnswer(int Status, string Text)
{
    /// <exception cref="ApiException">The body is not what the contract says.</exception>
    public T As<T>()
    {
        try
        {
            return JsonSerializer.Deserialize<T>(Text, Wire.Json) ?? throw new JsonException("The body is null.");
        }
        catch (JsonException e)
        {
            throw new ApiException(
                Status, "Not the expected answer", $"The node's answer is not a {typeof(T).Name}: {e.Message} Do client and node have the same version?",
                inner: e);
        }
    }
}
