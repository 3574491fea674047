using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Bodies;

/// <summary>Reads a request's JSON: 415 for another content type, 413 above the limit, 400 for what is no JSON.</summary>
static class BodyReader
{
    /// <summary>1 MB. A body holds settings, not data.</summary>
    public const int Limit = 1024 * 1024;

    static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    /// <returns>Null when there is no body at all.</returns>
    /// <exception cref="RequestProblemException">It cannot be read as JSON.</exception>
    public static async Task<JsonDocument?> ReadAsync(HttpRequest request)
    {
        var body = await ReadBytesAsync(request, Limit).ConfigureAwait(false);
        if (body.Length == 0) return null;
        if (!IsJson(TypeOf(request)))
            throw new RequestProblemException(StatusCodes.Status415UnsupportedMediaType, "The body must be sent as UTF-8 with Content-Type: application/json.");
        return ParseJson(body);
    }

    /// <summary>The body's type; null when it is none, or of another character set than UTF-8.</summary>
    public static MediaTypeHeaderValue? TypeOf(HttpRequest request) =>
        MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
        && (!type.Charset.HasValue || type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase)) ? type : null;

    public static bool IsJson(MediaTypeHeaderValue? type) => type is not null
        && (type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) || type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase));

    /// <exception cref="RequestProblemException">400: it is no JSON.</exception>
    public static JsonDocument ParseJson(ReadOnlyMemory<byte> body)
    {
        if (!Utf8.IsValid(body.Span)) throw new RequestProblemException(StatusCodes.Status400BadRequest, "The body is not valid JSON: it is not UTF-8.");
        try
        {
            return JsonDocument.Parse(body, Strict);
        }
        catch (JsonException e)
        {
            throw new RequestProblemException(
                StatusCodes.Status400BadRequest,
                e.LineNumber is { } line
                    ? $"The body is not valid JSON: something is wrong at line {line + 1}, byte {e.BytePositionInLine + 1}."
                    : "The body is not valid JSON: a field occurs twice, or it is nested too deeply.");
        }
    }

    /// <param name="limit">In bytes.</param>
    /// <exception cref="RequestProblemException">413: it is larger.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadBytesAsync(HttpRequest request, int limit)
    {
        if (request.ContentLength > limit) throw TooLarge(limit);
        var bytes = new ArrayBufferWriter<byte>((int)Math.Max(request.ContentLength ?? 0, 512));
        while (true)
        {
            var read = await request.Body.ReadAsync(bytes.GetMemory(4096), request.HttpContext.RequestAborted).ConfigureAwait(false);
            if (read == 0) return bytes.WrittenMemory;
            bytes.Advance(read);
            if (bytes.WrittenCount > limit) throw TooLarge(limit);
        }
    }

    static RequestProblemException TooLarge(int limit) =>
        new(StatusCodes.Status413PayloadTooLarge, $"The body is larger than {limit} bytes.");
}
