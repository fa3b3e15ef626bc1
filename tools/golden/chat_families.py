"""Chat templates in the manner of the model families that can be served, written for these fixtures, and conversations that try them.

Each uses what its family's published template uses of Jinja: namespaces, macros, slices, filters, methods of texts and tables, white
space control. The texts around it are not theirs.
"""
from chat_templates import CALL, CHATML, CONVERSATIONS, HEADERS, INSTRUCTIONS, WEATHER

DEEPSEEK = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}
{% set ns = namespace(in_answer=false, is_tool=false, is_first=true, system='', num_calls=0) %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {%- set ns.system = ns.system + ('' if ns.is_first else '\\n\\n') + message['content'] %}{% set ns.is_first = false %}
    {%- endif %}
{%- endfor %}
{{ bos_token }}{{ ns.system }}
{%- for message in messages %}
    {%- if message['role'] == 'user' %}
        {%- set ns.is_tool = false -%}
        {{ '<｜User｜>' + message['content'] }}
    {%- endif %}
    {%- if message['role'] == 'assistant' and message['tool_calls'] is defined and message['tool_calls'] is not none %}
        {%- set ns.num_calls = 0 %}
        {{- '<｜Assistant｜>' }}{%- if message['content'] is not none %}{{ message['content'] }}{% endif %}
        {%- for call in message['tool_calls'] %}
            {%- if ns.num_calls == 0 %}{{ '<｜calls｜>' }}{% endif %}
            {{- '<｜call｜>' + call['type'] + '<｜sep｜>' + call['function']['name'] + '\\n```json\\n' }}
            {%- if call['function']['arguments'] is string %}{{ call['function']['arguments'] }}
            {%- else %}{{ call['function']['arguments'] | tojson }}{% endif %}
            {{- '\\n```' }}{%- set ns.num_calls = ns.num_calls + 1 %}
        {%- endfor %}
        {{- '<｜/calls｜>' + eos_token }}
    {%- elif message['role'] == 'assistant' %}
        {%- set content = message['content'] %}
        {%- if '</think>' in content %}{% set content = content.split('</think>', 1)[1] %}{% endif %}
        {{- ('<｜Assistant｜>' if not ns.is_tool else '') + content + eos_token }}
        {%- set ns.is_tool = false %}
    {%- endif %}
    {%- if message['role'] == 'tool' %}
        {{- ('<｜outputs｜>' if not ns.is_tool else '\\n') + '<｜output｜>' + message['content'] + '<｜/output｜>' }}
        {%- set ns.is_tool = true %}
    {%- endif %}
{%- endfor -%}
{% if add_generation_prompt and not ns.is_tool %}{{ '<｜Assistant｜>' }}{% endif %}"""

KIMI = """{%- if tools -%}
    <|im_system|>tools<|im_middle|>{{ tools | tojson(separators=(',', ':')) }}<|im_end|>
{%- endif -%}
{%- macro render(content) -%}
    {%- if content is string -%}{{ content }}
    {%- elif content is not none -%}
        {%- for part in content -%}
            {%- if part['type'] == 'image' or 'image_url' in part -%}<|media|>{%- else -%}{{ part['text'] }}{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {%- if loop.first and messages[0]['role'] != 'system' -%}
        {{ '<|im_system|>system<|im_middle|>Standard<|im_end|>' }}
    {%- endif -%}
    {%- set name = message.get('name', message['role']) -%}
    {{ '<|im_' ~ message['role'] ~ '|>' ~ name ~ '<|im_middle|>' }}
    {%- if message['role'] == 'assistant' and message.get('tool_calls') -%}
        {{ render(message['content']) }}<|calls|>
        {%- for call in message['tool_calls'] -%}
            <|call|>functions.{{ call['function']['name'] }}:{{ loop.index0 }}<|argument|>
            {%- set arguments = call['function']['arguments'] -%}
            {%- if arguments is string -%}{{ arguments }}{%- else -%}{{ arguments | tojson }}{%- endif -%}
            <|/call|>
        {%- endfor -%}<|/calls|>
    {%- elif message['role'] == 'tool' -%}
        ## Result of {{ message.tool_call_id | default('unknown') }}{{ '\\n' + render(message['content']) }}
    {%- else -%}
        {{ render(message['content']) }}
    {%- endif -%}
    <|im_end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_assistant|>assistant<|im_middle|>{%- endif -%}
"""

QWEN3 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- '<tools>' }}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(is_searching=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.is_searching and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>')
        and message.content.endswith('</tool_response>')) %}
        {%- set ns.is_searching = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>' + message.role }}
        {%- if loop.index0 > ns.last_query and (loop.last or (not loop.last and reasoning)) %}
            {{- '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n' }}
        {%- endif %}
        {{- '\\n' + content.lstrip('\\n') }}
        {%- for call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}{{- '\\n' }}{%- endif %}
            {%- if call.function %}{%- set call = call.function %}{%- endif %}
            {{- '<tool_call>\\n{"name": "' }}{{- call.name }}{{- '", "arguments": ' }}
            {%- if call.arguments is string %}{{- call.arguments }}{%- else %}{{- call.arguments | tojson }}{%- endif %}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- content }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""

GLM = """[gMASK]<sop>
{%- if tools -%}
<|system|>
<tools>
{% for tool in tools %}
{{ tool | tojson(ensure_ascii=False) }}
{% endfor %}
</tools>{%- endif -%}
{%- macro visible_text(content) -%}
    {%- if content is string -%}
        {{- content }}
    {%- elif content is iterable and content is not mapping -%}
        {%- for item in content -%}
            {%- if item is mapping and item.type == 'text' -%}
                {{- item.text }}
            {%- elif item is string -%}
                {{- item }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(last_user_index=-1) %}
{%- for m in messages %}
    {%- if m.role == 'user' %}
        {% set ns.last_user_index = loop.index0 -%}
    {%- endif %}
{%- endfor %}
{% for m in messages %}
{%- if m.role == 'user' -%}<|user|>
{{ visible_text(m.content) }}
{{- '/nothink' if (enable_thinking is defined and not enable_thinking and not visible_text(m.content).endswith("/nothink")) else '' -}}
{%- elif m.role == 'assistant' -%}
<|assistant|>
{%- set reasoning_content = '' %}
{%- set content = visible_text(m.content) %}
{%- if '</think>' in content %}
    {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
    {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
{%- endif %}
{%- if loop.index0 > ns.last_user_index and reasoning_content -%}
{{ '\\n<think>' + reasoning_content.strip() +  '</think>'}}
{%- endif -%}
{%- if content.strip() -%}
{{ '\\n' + content.strip() }}
{%- endif -%}
{% if m.tool_calls %}
{% for tc in m.tool_calls %}
{%- if tc.function %}
    {%- set tc = tc.function %}
{%- endif %}
{{ '\\n<tool_call>' + tc.name }}
{% set _args = tc.arguments %}
{% for k, v in _args.items() %}
<arg_key>{{ k }}</arg_key>
<arg_value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</arg_value>
{% endfor %}
</tool_call>{% endfor %}
{% endif %}
{%- elif m.role == 'tool' -%}
{%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
    {{- '<|observation|>' }}
{%- endif %}
{{- '\\n<tool_response>\\n' }}
{{- m.content }}
{{- '\\n</tool_response>' }}
{%- elif m.role == 'system' -%}
<|system|>
{{ visible_text(m.content) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    <|assistant|>{{- '\\n<think></think>' if (enable_thinking is defined and not enable_thinking) else '' -}}
{%- endif -%}
"""

MINIMAX = """{%- set call_begin = '<calls>' -%}
{%- macro render_tools(list) -%}
{%- for tool in list -%}
<tool>{{ tool.function | tojson | string }}</tool>
{% endfor -%}
{%- endmacro -%}
{%- set system = none -%}
{%- set rest = messages -%}
{%- if messages and messages[0].role == "system" -%}
    {%- set system = messages[0] -%}
    {%- set rest = messages[1:] -%}
{%- endif -%}
{{- ']~!b[' ~ ']~b]system' ~ '\\n' }}
{{- system.content if system and system.content else 'Standard.' }}
{%- if model_identity is defined %}{{- '\\n' ~ model_identity | upper }}{%- endif %}
{%- if tools -%}
    {{- '\\n\\n' ~ '<tools>' ~ '\\n' }}
    {{- render_tools(tools) }}
    {{- '</tools>' }}
{%- endif -%}
{{- '[e~[\\n' }}

{%- set last_call = namespace(name=none) -%}
{%- for message in rest -%}
    {%- if message.role == 'assistant' -%}
        {{- ']~b]ai' ~ '\\n' }}
        {%- if message.content -%}{{- message.content }}{%- endif -%}
        {%- if message.tool_calls -%}
            {{- '\\n' ~ call_begin ~ '\\n' }}
            {%- for call in message.tool_calls -%}
                {%- if call.function %}{%- set call = call.function %}{%- endif %}
                {{- '<invoke name="' + call.name + '">' }}
                {% for k, v in call.arguments.items() %}
                {{- '<parameter name="' + k + '">' }}
                {{- v | tojson | string if v is not string else v }}
                {{- '</parameter>' }}
                {% endfor %}
                {{- '</invoke>' ~ '\\n' }}
            {%- endfor -%}
            {%- set last_call.name = message.tool_calls[-1].function.name -%}
        {%- else -%}
            {%- set last_call.name = none -%}
        {%- endif -%}
        {{- '[e~[' ~ '\\n' }}
    {%- elif message.role == 'tool' -%}
        {%- if last_call.name is none -%}
            {{- raise_exception("A result needs a call before it!") }}
        {%- endif -%}
        {%- if loop.first or (rest[loop.index0 - 1].role != 'tool') -%}
            {{- ']~b]tool' }}
        {%- endif -%}
        {{- '\\n<response>' ~ message.content ~ '</response>' }}
        {%- if loop.last or (rest[loop.index0 + 1].role != 'tool') -%}
            {{- '[e~[\\n' -}}
        {%- endif -%}
    {%- elif message.role == 'user' -%}
        {{- ']~b]user' ~ '\\n' ~ message.content ~ '[e~[' ~ '\\n' }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- ']~b]ai' ~ '\\n' ~ '<think>' ~ '\\n' }}
{%- endif -%}
"""

OLMOE = """{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + '\\n' }}{% elif message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + '\\n' }}{% elif message['role'] == 'assistant' %}{% if not loop.last %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token + '\\n' }}{% else %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}{% endif %}{% endif %}{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>\\n' }}{% endif %}{% endfor %}"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.tool_calls is defined) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("Roles must alternate between user and assistant, tools aside") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for call in message.tool_calls %}
            {%- set out = call.function|tojson %}
            {{- out[:-1] }}
            {%- if not call.id is defined or call.id|length != 9 %}
                {{- raise_exception("Ids of calls should be 9 characters") }}
            {%- endif %}
            {{- ', "id": "' + call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool" %}
        {%- set content = message.content.content if message.content.content is defined else message.content %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant, after a system message, are known") }}
    {%- endif %}
{%- endfor %}
"""

LLAMA3 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%Y-%m-%d") | length %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "With tools\\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\\n\\n"}}
{%- endif %}
{{- "Date: " ~ date_string ~ "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("There is no message of the user for the tools to go into!") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' -}}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("Only one call at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

LANGUAGE = """{#- What any template may use. -#}
{% for n in range(5) %}{% if n == 1 %}{% continue %}{% endif %}{% if n == 4 %}{% break %}{% endif %}{{ n }}{{ loop.index }};{% endfor %}
{% generation %}{{ messages[0].content | upper }}{% endgeneration %}
{{ '  \n a \n' .strip('\n') }}|{{ 'xxaxx'.lstrip('x') }}|{{ 'ab ba'.rstrip('ab') }}|{{ '\ufeff b\x85'.strip() }}|
{%- macro told(x) %}{{ 'yes' if x else 'no' }}{% endmacro %}
{{ told(tools is none) }} {{ told(tools is defined) }} {{ told(documents is none) }} {{ told(nothing is defined) }} {{ nothing | default('fallback') }}
{{ messages | map(attribute='role') | join('|') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{ 'a-b-c'.split('-') | last }} {{ 7 // 2 }} {{ 7 % 3 }} {{ 1.5 + 2 }} {{ 'abc'[::-1] }} {{ 'abc'[1:] }} {{ 'Ab'.lower() }}
{{ {'a': [1, 2.5, none, true, 'é "q" </b>']} | tojson }} {{ 'é' | tojson(ensure_ascii=true) }} {{ ' t '.strip() | title }}
{{ {'a': {'b': [1, {}]}, 'c': []} | tojson(indent=2) }}
{% set a, b = 1, 2 %}{{ a + b }} {{ 'yes' if 'b' in 'abc' and not false else 'no' }} {{ [3, 1, 2] | sort | join(',') }}
{%- macro f(x, y='d') %}[{{ x }}{{ y }}]{% endmacro %} {{ f(1) }}{{ f(1, y=2) }} {{ 'a\\nb' | indent(2) }} {{ 'aXb' | replace('X', '-') }}
   {% if true %}
kept line
   {% endif %}
end {{ told(pad_token is defined) }} {{ eos_token }}
"""

FAMILIES = {
    "qwen2": CHATML,
    "qwen3": QWEN3,
    "llama": INSTRUCTIONS,
    "llama3": HEADERS,
    "llama3.1": LLAMA3,
    "mistral": MISTRAL,
    "deepseek-v3": DEEPSEEK,
    "kimi-k2": KIMI,
    "glm4-moe": GLM,
    "minimax-m2": MINIMAX,
    "olmoe": OLMOE,
    "language": LANGUAGE,
}

ID_CALL = {"id": "call12345", **CALL}
TEXT_CALL = {"type": "function", "function": {"name": "now", "arguments": '{"zone": "Europe/Zürich"}'}}
CLOCK = {"type": "function", "function": {"name": "now", "description": "Time", "parameters": {"type": "object", "properties": {}}}}

FAMILY_CONVERSATIONS = [
    *CONVERSATIONS,
    {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [ID_CALL]},
            {"role": "tool", "tool_call_id": "call12345", "name": "get_weather", "content": "21.5"},
            {"role": "assistant", "content": "Warm."},
            {"role": "user", "content": "And now?"},
        ],
        "tools": [WEATHER, CLOCK],
    },
    {
        "messages": [
            {"role": "system", "content": "First."},
            {"role": "system", "content": "Second."},
            {"role": "user", "content": "What time?"},
            {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nI look.", "tool_calls": [TEXT_CALL]},
            {"role": "tool", "content": "12:00"},
            {"role": "assistant", "content": "<think>\nSo.\n</think>\n\nNoon.", "reasoning_content": "Aha."},
        ],
        "variables": {"enable_thinking": False},
    },
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]}]},
    {"messages": [{"role": "tool", "content": "no call"}], "variables": {"date_string": "26 Jul 2024", "model_identity": "named"}},
]
